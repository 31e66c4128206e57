// Samples as files: pictures with their recipe, films, values, and how likely each is.

import { toCsv, toNpy } from "./numbers.js";
import { encodePng } from "./png.js";
import { toRaster } from "./raster.js";
import { KEYWORD, formatRecipe, toRecipe, withFiles } from "./recipe.js";
import { pictureOf } from "../ui/picture.js";

/** @typedef {import("../p-of-x.js").SampleStep} SampleStep */
/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../ui/picture.js").Pixels} Pixels */

/**
 * The last step of a run, the controls it was drawn with, and whether the weights were a person's own.
 * @typedef {{ card: import("../card.d.ts").Card, step: SampleStep, values: Record<string, unknown>, own: boolean }} Drawn
 */
/** @typedef {import("./save.js").NamedFile} NamedFile */

/** One sample, or all side by side. @param {Drawn} drawn @param {number} [index] @returns {Promise<NamedFile>} */
export async function pictureFile(drawn, index) {
  const all = Array.from({ length: drawn.step.n }, (_, i) => pictureOf(drawn.step, i));
  const raster = index === undefined ? toRaster(all, { columns: Math.ceil(Math.sqrt(all.length)), gap: 4 }) : toRaster([all[index]]);
  return { name: named(drawn, "png", index), type: "image/png", content: await encodePng([raster], { texts: await texts(drawn, index) }) };
}

/** How a sample came about, as an animation. @param {Drawn} drawn @param {number} index @param {Pixels[]} frames @returns {Promise<NamedFile>} */
export async function filmFile(drawn, index, frames) {
  const content = await encodePng(frames.map((pixels) => toRaster([pixels])), { texts: await texts(drawn, index) });
  return { name: named(drawn, "film.png", index), type: "image/png", content };
}

/** What the pictures were rounded from, for NumPy. @param {Drawn} drawn @param {Float32Array} values @returns {NamedFile} */
export function valuesFile(drawn, values) {
  const { n, channels, height, width } = drawn.step;
  return { name: named(drawn, "npy"), type: "application/octet-stream", content: toNpy(values, [n, channels, height, width]) };
}

/** log p of each sample for NumPy, NaN where there is none. @param {Drawn} drawn @param {Estimate[]} estimates @returns {NamedFile} */
export function scoresFile(drawn, estimates) {
  const nats = Float32Array.from(estimates, (estimate) => (defined(estimate) ? estimate.nats : NaN));
  return { name: named(drawn, "logp.npy"), type: "application/octet-stream", content: toNpy(nats, [nats.length]) };
}

/** A line for each sample: how likely it is, and its values. @param {Drawn} drawn @param {Float32Array} values @param {Estimate[]} estimates @returns {NamedFile} */
export function tableFile(drawn, values, estimates) {
  const size = values.length / drawn.step.n;
  const names = ["sample", "log_p_nats", "std_error", "kind", "estimator", ...Array.from({ length: size }, (_, i) => `value_${i + 1}`)];
  const rows = estimates.map((estimate, i) => [
    i + 1,
    defined(estimate) ? estimate.nats : null,
    estimate.std_error,
    typeof estimate.kind === "string" ? estimate.kind : "undefined",
    estimate.estimator,
    ...values.subarray(i * size, (i + 1) * size),
  ]);
  return { name: named(drawn, "csv"), type: "text/csv", content: toCsv(names, rows) };
}

/** @param {Estimate} estimate */
function defined({ kind }) {
  return typeof kind === "string";
}

/** @param {Drawn} drawn @param {string} ending @param {number} [index] */
function named({ card, step }, ending, index) {
  return `${card.id}-${step.seed}${index === undefined ? "" : `-${index + 1}`}.${ending}`;
}

/** What a picture says of itself. @param {Drawn} drawn @param {number} [index] @returns {Promise<Record<string, string>>} */
async function texts({ card, step, values: given, own }, index) {
  const values = await withFiles(given);
  const recipe = toRecipe({ model: card.id, sha256: own ? null : card.weights.sha256, seed: step.seed, n: step.n, values, index });
  return { Software: "p-of-x", [KEYWORD]: formatRecipe(recipe) };
}
