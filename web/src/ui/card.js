// What a model's card means for the page.

/** @typedef {import("../card.d.ts").Card} Card */

/**
 * How a family answers: whether it has a density, what its slower, better answer is called, and whether even the fast one
 * takes seconds.
 * @typedef {{ density: boolean, precise?: string, slow?: boolean }} Answers
 */

/** @type {Record<string, Answers>} */
const ANSWERS = {
  vae: { density: true, precise: "Tighter bound (k = 5,000)" },
  diffusion: { density: true, precise: "Smaller error (more noise levels)", slow: true },
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
