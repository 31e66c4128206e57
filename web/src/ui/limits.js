// What a model can't do: what holds for its family, and what the figures of its card show.

import { percent } from "./format.js";

/** @typedef {import("../card.d.ts").Card} Card */

/** What models of a family can't do. @type {Record<string, string>} */
const OF_FAMILY = {
  vae: "Its log p(x) is a bound, which may be far below where the encoder fits badly; what the latent does not tell it blurs.",
  gan: "It has no density: it can’t say how likely a picture is, only what its discriminator takes for real. It may never draw some of the data.",
  diffusion: "Its log p(x) is a bound with an error. A picture takes many steps.",
  transformer: "It draws pixel after pixel, and can’t take back what it has drawn.",
};
const OF_ALL = "It knows pictures of this kind and size alone: what it says of others is a number, and no judgement.";

/** A smaller share of pictures that are covered is worth a word. */
const COVERED = 0.75;
/** So much more often does the judge have to be right about test pictures than about samples. */
const JUDGED = 0.05;
/** In more pairs than this a discriminator tells what is drawn from what is real. */
const TOLD = 0.9;

/** @param {Card} card */
export function limits(card) {
  return [OF_FAMILY[card.family], ...measured(card), OF_ALL].filter(Boolean).join(" ");
}

/** Sentences for figures that are low. @param {Card} card */
function measured({ metrics, reference, calibration }) {
  const said = [];
  const figure = (/** @type {string} */ name) => /** @type {number} */ (metrics?.[name] ?? NaN);
  const share = (/** @type {number} */ of) => percent(100 * of);
  const [recall, precision, asked, judge] = ["recall", "precision", "class_accuracy", "judge_accuracy"].map(figure);
  if (recall < COVERED) said.push(`It misses much of the data: ${share(recall)} of test pictures lie among its samples.`);
  if (precision < COVERED) said.push(`${share(1 - precision)} of its samples lie off the data.`);
  if (judge - asked > JUDGED) {
    said.push(`It often draws something else than it was asked for: a judge that is right about ${share(judge)} of test pictures finds it in ${share(asked)} of its samples.`);
  }
  const trap = reference?.others?.toSorted((a, b) => a.auroc.surprise - b.auroc.surprise)[0];
  if (trap && trap.auroc.surprise < 0.5) {
    said.push(`Its log p(x) does not tell what belongs to its data: of a picture of ${trap.name} and a test picture, the former is the likelier one in ${share(1 - trap.auroc.surprise)} of pairs.`);
  }
  if (calibration && calibration.auc > TOLD) {
    said.push(`Its pictures are not taken for real: its own discriminator tells which of two is the real one in ${share(calibration.auc)} of pairs.`);
  }
  return said;
}
