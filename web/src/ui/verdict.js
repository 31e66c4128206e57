// What numbers of several models for one picture say of the models, in words: a bound wins against nothing that may be lower still.

/** @typedef {import("../estimate.d.ts").Estimate} Estimate */
/** @typedef {Estimate & { scored: { width: number, height: number, channels: number } }} Scored */
/** A model's name and its answer. @typedef {{ title: string, estimate: Scored }} Named */

/** Two numbers are told apart when they differ by more standard errors of their difference. */
const ERRORS = 2;

/** Nats in a bit a value: a colour has three values for every model. @param {Scored} estimate */
export function unit({ scored: { width, height, channels } }) {
  return width * height * channels * Math.LN2;
}

/** Bits a value that the picture costs. @param {Scored} estimate */
export function bits(estimate) {
  return -estimate.nats / unit(estimate);
}

/** The same in words; a bound on log p from below is one on bits from above. @param {Scored} estimate */
export function amount(estimate) {
  const { kind } = estimate;
  const relation = typeof kind === "string" ? { exact: "", lower_bound: "at most ", upper_bound: "at least ", stochastic: "about ", density_ratio: "" }[kind] : "";
  return `${relation}${bits(estimate).toFixed(3)} bits a value`;
}

/** Standard error in bits a value; infinite where none can be told. @param {Scored} estimate */
function errorOf(estimate) {
  if (estimate.kind === "exact") return 0;
  return estimate.std_error === null ? Infinity : estimate.std_error / unit(estimate);
}

/** Which model needs the fewest bits, or why that can't be told. @param {Named[]} answers */
export function verdict(answers) {
  const finite = answers.filter(({ estimate: { nats } }) => Number.isFinite(nats));
  const [best, ...others] = finite.toSorted((a, b) => bits(a.estimate) - bits(b.estimate));
  if (!best) return "No model has a number for this picture.";
  if (others.length === 0) return `${best.title} needs ${amount(best.estimate)}.`;
  const bounds = others.filter(({ estimate }) => estimate.kind === "lower_bound");
  const near = others.filter(({ estimate }) => {
    const apart = bits(estimate) - bits(best.estimate);
    return estimate.kind !== "lower_bound" && !(apart > ERRORS * Math.hypot(errorOf(estimate), errorOf(best.estimate)));
  });
  const reasons = [
    ...(best.estimate.kind === "upper_bound" ? ["it may itself need more"] : []),
    ...(near.length > 0 ? [`${names(near)} can’t be told apart from it within ${ERRORS} standard errors`] : []),
    ...(bounds.length === 1 ? [`${names(bounds)} has a bound only, and may need fewer`] : []),
    ...(bounds.length > 1 ? [`${bounds.length === others.length ? "all others" : names(bounds)} have bounds only, and may need fewer`] : []),
  ];
  if (reasons.length === 0) return `${best.title} needs the fewest bits: ${amount(best.estimate)}.`;
  return `The lowest number is that of ${best.title}: ${amount(best.estimate)}. Which model is the best can’t be told from that: ${reasons.join("; ")}.`;
}

/** @param {Named[]} answers */
function names(answers) {
  const titles = answers.map(({ title }) => title);
  const last = titles.pop();
  return titles.length > 0 ? `${titles.join(", ")} and ${last}` : last;
}
