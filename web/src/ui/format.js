// Numbers and sentences as the page shows them.

/** @typedef {import("../p-of-x.js").Estimate} Estimate */

const MINUS = "−";

/** One decimal, a real minus sign. @param {number} value */
export function nats(value) {
  if (!Number.isFinite(value)) return "–";
  return value.toFixed(1).replace("-", MINUS);
}

/** @param {number} value */
export function percent(value) {
  if (value > 0 && value < 1) return "less than 1\u00a0%";
  if (value > 99 && value < 100) return "more than 99\u00a0%";
  return `${Math.round(value)}\u00a0%`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** How log p relates to the number given. @param {Estimate["kind"]} kind */
export function relation(kind) {
  if (typeof kind !== "string") return "?";
  return { exact: "=", lower_bound: "≥", upper_bound: "≤", stochastic: "≈", density_ratio: "≈" }[kind];
}

/**
 * The share of ascending scores that are below `value`, in percent.
 * @param {number[]} scores
 * @param {number} value
 */
export function percentile(scores, value) {
  if (scores.length === 0) return NaN;
  return (100 * scores.filter((score) => score < value).length) / scores.length;
}
