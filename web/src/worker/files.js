// A model's files: its card, and what the card names, from this device or from the network.

import { PofxError } from "../engine/errors.js";
import { keepCard, keptCard } from "./cache.js";
import { Meter, loadFile, okay, request } from "./download.js";

/** @typedef {import("./download.js").Job} Job */
/** @typedef {import("../card.d.ts").FileCard} FileCard */
/** @typedef {import("./download.js").Sha256} Sha256 */

/** A weights file of a person's own may be this large: ten times the largest that any model here needs. */
const LARGEST_OWN_WEIGHTS = 64 << 20;

/**
 * @param {URL} folder
 * @param {Blob | undefined} own weights that a person chose instead of the shipped ones
 * @param {Job} job
 * @param {Sha256} sha256
 * @returns {Promise<{ card: string, weights: Uint8Array, golden: Uint8Array, own: boolean }>}
 */
export async function openModelFiles(folder, own, job, sha256) {
  const card = await fetchCard(new URL("card.json", folder), job);
  const files = readFileCards(card);
  const total = files.golden.bytes + (own ? 0 : files.weights.bytes);
  const meter = new Meter(job, total);
  const load = (/** @type {FileCard} */ file) => loadFile({ url: new URL(file.file, folder), card: file, meter, job, sha256 });
  const [weights, golden] = await Promise.all([own ? readOwn(own) : load(files.weights), load(files.golden)]);
  if (!own) await keepCard(new URL("card.json", folder), card);
  return { card, weights, golden, own: own !== undefined };
}

/** The newest card, or without a network the one of the files that are kept. @param {URL} url @param {Job} job */
async function fetchCard(url, job) {
  let response;
  try {
    response = await request(url, job);
  } catch (cause) {
    const kept = job.aborted ? undefined : await keptCard(url);
    if (kept === undefined) throw cause;
    return kept;
  }
  if (response.status === 404) {
    const id = url.pathname.split("/").at(-2);
    throw new PofxError("unknown-model", `There is no model named “${id}” here.`);
  }
  return okay(response, url).text();
}

/** Only what is needed to fetch; Rust reads the whole card. @param {string} card */
export function readFileCards(card) {
  /** @type {unknown} */ let parsed;
  try {
    parsed = JSON.parse(card);
  } catch (cause) {
    throw new PofxError("bad-card", "The model's card is not JSON; the server may have sent another page.", { cause });
  }
  const { weights, golden } = /** @type {{ weights?: FileCard, golden?: FileCard }} */ (parsed ?? {});
  const named = (/** @type {FileCard | undefined} */ file) => {
    return /^[\w.-]+$/.test(file?.file ?? "") && /^[0-9a-f]{64}$/.test(file?.sha256 ?? "") && Number(file?.bytes) > 0;
  };
  if (!weights || !golden || !named(weights) || !named(golden)) {
    throw new PofxError("bad-card", "The model's card does not say which files belong to it.");
  }
  return { weights, golden };
}

/** @param {Blob} file */
async function readOwn(file) {
  if (file.size > LARGEST_OWN_WEIGHTS) {
    const megabytes = Math.ceil(file.size / 1e6);
    throw new PofxError("bad-weights", `This file has ${megabytes} MB; weights of this model have far less.`);
  }
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (cause) {
    throw new PofxError("bad-weights", "This file could not be read; it may have been moved or changed.", { cause });
  }
}
