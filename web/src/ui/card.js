// What a model's card means for the page.

/** @typedef {import("../card.d.ts").Card} Card */

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

/** @param {Card | undefined} card @returns {Answers} */
export function answerable(card) {
  return ANSWERS[card?.family ?? "vae"] ?? { density: true };
}

/** Whether the model's pictures are black and white; a picture that is asked about is binarised first. @param {Card | undefined} card */
export function isBinary(card) {
  return !card || (card.family === "vae" && (card.network.likelihood ?? "bernoulli") === "bernoulli");
}
