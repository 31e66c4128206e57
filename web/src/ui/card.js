// What a model's card means for the page.

/** @typedef {import("../card.d.ts").Card} Card */
/** @typedef {import("../estimate.d.ts").Estimator} Estimator */

/**
 * How a family answers: whether it has a density, what its slower and better answer is called, and what the parts of a bound are.
 * @typedef {{ density: boolean, precise?: string, parts?: [string, string] }} Answers
 */

/** @type {Record<string, Answers>} */
const ANSWERS = {
  vae: { density: true, precise: "Tighter bound (k = 5,000)", parts: ["pixels, given the code z", "the price of the code z"] },
  diffusion: {
    density: true,
    precise: "Smaller error (k = 5,000)",
    parts: ["pixels, given the least noisy picture", "the price of all noise levels above"],
  },
  transformer: { density: true },
  gan: { density: false },
};

/** What the estimators are called beside a model's own. @type {Record<Estimator, string>} */
const ESTIMATORS = {
  own: "the family’s own",
  laplace: "importance sampling",
  ais: "annealed sampling (AIS)",
  quadrature: "quadrature",
  flow: "probability flow",
  ratio: "discriminator’s ratio",
};

/**
 * The choice of estimator, as a control whose options are words; none where there is nothing to choose.
 * @param {Estimator[]} estimators
 * @returns {{ control: import("../card.d.ts").Control, estimators: Map<string, Estimator> } | undefined}
 */
export function estimatorChoice(estimators) {
  if (estimators.length < 2) return undefined;
  const words = new Map(estimators.map((name) => [ESTIMATORS[name], name]));
  const help = "How log p(x) is estimated; the other ways take seconds to minutes";
  return { control: { name: "estimator", help, kind: "choice", options: [...words.keys()], default: ESTIMATORS.own }, estimators: words };
}

/** @param {Card | undefined} card @returns {Answers} */
export function answerable(card) {
  return ANSWERS[card?.family ?? "vae"] ?? { density: true };
}

/** Whether `export/python.js` has a program that comes to a family's answers by this estimator. @param {Card | undefined} card @param {string} estimator */
export function hasProgram(card, estimator) {
  return card?.family === "gan" ? estimator === "ratio" : estimator === "own";
}

/** Whether the model's pictures are black and white; a picture that is asked about is binarised first. @param {Card | undefined} card */
export function isBinary(card) {
  return !card || (card.family === "vae" && (card.network.likelihood ?? "bernoulli") === "bernoulli");
}
