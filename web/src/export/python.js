// An answer as a Python program that comes to it anew, with onnxruntime and the model's ONNX files.

import { toBase64 } from "../base64.js";
import { sentence } from "../ui/format.js";
import diffusion from "./python/diffusion.py";
import gan from "./python/gan.py";
import head from "./python/head.py";
import transformer from "./python/transformer.py";
import vae from "./python/vae.py";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */

/** @type {Record<string, string>} */
const BODIES = { vae, transformer, diffusion, gan };

/**
 * @param {import("../card.d.ts").Card} card
 * @param {Estimate} estimate what is to be said again
 * @param {Record<string, any>} labels under which the picture was judged, by name
 * @returns {string}
 */
export function program(card, estimate, labels) {
  const { width, height, channels, pixels, seed } = estimate.scored;
  const network = /** @type {{ likelihood?: string, palette?: string[], levels?: number[] }} */ (card.network);
  const numbers = card.labels.map(({ name, values }) => (values.includes(labels[name]) ? values.indexOf(labels[name]) : values.length));
  /** @type {Record<string, string>} */
  const filled = {
    model: card.id,
    said: `The page said: ${sentence(estimate)}.`,
    levels: toBase64(planes(pixels, channels)),
    shape: `${channels}, ${height}, ${width}`,
    labels: JSON.stringify(numbers),
    seed: String(seed),
    k: String(estimate.k),
    // One evaluation is the encoder's.
    runs: String(Math.round((estimate.n_evals - 1) / estimate.k)),
    binary: network.likelihood === "bernoulli" ? "True" : "False",
    palette: JSON.stringify((network.palette ?? []).map(rgb)),
    counts: JSON.stringify(network.levels ?? []),
    scale: String(card.calibration?.scale),
    offset: String(card.calibration?.offset),
  };
  return (head + BODIES[card.family]).replace(/\{\{(\w+)\}\}/g, (_, name) => filled[name]);
}

/** Channels first. @param {Uint8Array} pixels @param {number} channels */
function planes(pixels, channels) {
  const plane = pixels.length / channels;
  return Uint8Array.from(pixels, (_, i) => pixels[(i % plane) * channels + Math.floor(i / plane)]);
}

/** @param {string} hex */
function rgb(hex) {
  return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}
