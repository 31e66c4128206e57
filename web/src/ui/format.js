// Numbers and sentences as the page shows them.

/** @typedef {import("../p-of-x.js").Estimate} Estimate */

const MINUS = "−";

/** A real minus sign; minus infinity for what is impossible. @param {number} value @param {number} [decimals] */
export function nats(value, decimals = 1) {
  if (value === -Infinity) return `${MINUS}∞`;
  if (!Number.isFinite(value)) return "–";
  return value.toFixed(decimals).replace("-", MINUS);
}

/** @param {number} value */
export function percent(value) {
  if (value > 0 && value < 1) return "less than 1\u00a0%";
  if (value > 99 && value < 100) return "more than 99\u00a0%";
  return `${Math.round(value)}\u00a0%`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Time left, to follow something else; nothing where it is not worth saying. @param {number} seconds */
export function duration(seconds) {
  if (!(seconds >= 1) || !Number.isFinite(seconds)) return "";
  return seconds < 90 ? `, ${Math.ceil(seconds)} s left` : `, ${Math.ceil(seconds / 60)} min left`;
}

/** The running value of an answer, to follow something else. @param {import("../p-of-x.js").Progress} progress */
export function soFar({ so_far: value }) {
  if (!value) return "";
  return `; so far ${nats(value.nats)} nats${value.std_error == null ? "" : ` ± ${value.std_error.toFixed(1)}`}`;
}

/** A clause as a sentence. @param {string} clause */
export function asSentence(clause) {
  return `${clause[0]?.toUpperCase() ?? ""}${clause.slice(1)}${clause.endsWith(".") ? "" : "."}`;
}

/** How log p relates to the number given. @param {Estimate["kind"]} kind */
export function relation(kind) {
  if (typeof kind !== "string") return "?";
  return { exact: "=", lower_bound: "≥", upper_bound: "≤", stochastic: "≈", density_ratio: "≈" }[kind];
}

/** What a number is to log p(x), in words. @param {Estimate} estimate */
export function kindOf({ kind }) {
  if (typeof kind !== "string") return "not defined";
  return kind === "stochastic" ? "estimate" : kind.replaceAll("_", " ");
}

/** The bracket behind the number. @param {Estimate} e */
export function explain(e) {
  if (e.nats === -Infinity) return `(impossible under this model: all it could have drawn gives this picture probability 0; ${e.estimator})`;
  const unknown = e.effective_samples === null ? [] : ["error not known"];
  const error = e.std_error === null ? unknown : [`± ${e.std_error.toFixed(1)}`];
  return `(${[kindOf(e), e.estimator, ...error].join(", ")})`;
}

/** The answer in one sentence. @param {Estimate} e */
export function sentence(e) {
  if (typeof e.kind !== "string") return `log p(x) is not defined: ${e.kind.undefined}`;
  const what = e.kind === "density_ratio" ? "log p_data(x)/p_G(x)" : "log p(x)";
  return `${what} ${relation(e.kind)} ${nats(e.nats)} nats ${explain(e)}`;
}

/** Figures of cards in words, and how they are written. @type {Record<string, [string, (value: number) => string]>} */
const FIGURES = {
  samples: ["Samples judged", plain],
  class_accuracy: ["Samples that show what was asked for", share],
  label_accuracies: ["Samples that show what was asked for", share],
  judge_accuracy: ["Test pictures about which the judge is right", share],
  frechet_distance: ["Fréchet distance to the test set", plain],
  kernel_distance: ["Kernel distance to the test set", (v) => v.toPrecision(3)],
  precision: ["Precision: samples that lie among the data", share],
  recall: ["Recall: data that lie among the samples", share],
  nearest_neighbour_ratio: ["Distance to the nearest training picture, over that of test pictures", plain],
  nearest_neighbour_share: ["Samples nearer to a training picture than 99 % of test pictures", share],
};

/**
 * A figure of a card as rows of name and text; one of several labels has a row each.
 * @param {string} name
 * @param {unknown} value
 * @returns {[string, string][]}
 */
export function figure(name, value) {
  if (value === null || value === undefined) return [];
  const [title, write] = FIGURES[name] ?? [name.replaceAll("_", " "), plain];
  if (typeof value === "number") return Number.isFinite(value) ? [[title, write(value)]] : [];
  if (typeof value !== "object") return [[title, String(value)]];
  return Object.entries(value).map(([part, inner]) => [`${title}, ${part}`, typeof inner === "number" ? write(inner) : String(inner)]);
}

/** @param {number} value */
function share(value) {
  return `${(100 * value).toFixed(1)}\u00a0%`;
}

/** @param {number} value */
function plain(value) {
  const text = Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(2);
  return text.replace("-", MINUS);
}
