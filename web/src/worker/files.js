// A model's files: fetched with progress, verified by length and SHA-256 against its card, and kept in the origin
// private file system under their checksum, so that a second visit or a second tab downloads nothing.

import { PofxError } from "../engine/errors.js";
import { Cache } from "./cache.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("../card.d.ts").FileCard} FileCard */
/** @typedef {(bytes: Uint8Array) => string} Sha256 */

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
  const load = (/** @type {FileCard} */ file) => loadFile(new URL(file.file, folder), file, meter, job, sha256);
  const [weights, golden] = await Promise.all([own ? readOwn(own) : load(files.weights), load(files.golden)]);
  return { card, weights, golden, own: own !== undefined };
}

/** @param {URL} url @param {Job} job */
async function fetchCard(url, job) {
  const response = await request(url, job);
  if (response.status === 404) {
    const id = url.pathname.split("/").at(-2);
    throw new PofxError("unknown-model", `There is no model named “${id}” here.`);
  }
  return okay(response, url).text();
}

/** Only what is needed to fetch; Rust reads the whole card. @param {string} card */
function readFileCards(card) {
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

/**
 * One file, from the cache or the network; what is returned has the card's length and checksum.
 * @param {URL} url
 * @param {FileCard} card
 * @param {Meter} meter
 * @param {Job} job
 * @param {Sha256} sha256
 */
async function loadFile(url, card, meter, job, sha256) {
  const cache = await Cache.open();
  // A second tab waits for the first and then finds the file, instead of downloading it again.
  return cache.exclusively(card.sha256, job.signal, async () => {
    const cached = await cache.read(card.sha256);
    if (cached && cached.length === card.bytes && sha256(cached) === card.sha256) {
      meter.add(cached.length);
      return cached;
    }
    const bytes = await download(url, card, meter, job);
    if (sha256(bytes) !== card.sha256) {
      throw new PofxError("integrity", `${card.file} is damaged: its checksum is not the one on the model's card.`);
    }
    await cache.write(card.sha256, bytes);
    return bytes;
  });
}

/** @param {URL} url @param {FileCard} card @param {Meter} meter @param {Job} job */
async function download(url, card, meter, job) {
  const response = okay(await request(url, job), url);
  const bytes = new Uint8Array(card.bytes);
  let got = 0;
  try {
    for (const reader = body(response).getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      if (got + value.length <= bytes.length) bytes.set(value, got);
      got += value.length;
      if (got > bytes.length) break;
      meter.add(value.length);
    }
  } catch (cause) {
    if (job.aborted) throw cause;
    throw new PofxError("network", `The download of ${card.file} stopped after ${got} of ${card.bytes} bytes.`, { cause });
  }
  if (got !== card.bytes) {
    const what = got < card.bytes ? `only ${got} of ${card.bytes} bytes arrived` : `more than ${card.bytes} bytes came`;
    throw new PofxError("integrity", `${card.file} is not complete: ${what}.`);
  }
  return bytes;
}

/** @param {URL} url @param {Job} job */
async function request(url, job) {
  try {
    return await fetch(url, { signal: job.signal });
  } catch (cause) {
    if (job.aborted) throw cause;
    const name = url.pathname.split("/").at(-1);
    throw new PofxError("network", `${name} could not be downloaded: the network did not answer.`, { cause });
  }
}

/** @param {Response} response @param {URL} url */
function okay(response, url) {
  if (response.ok) return response;
  const name = url.pathname.split("/").at(-1);
  throw new PofxError("network", `${name} could not be downloaded: the server answered ${response.status}.`);
}

/** @param {Response} response */
function body(response) {
  if (response.body) return response.body;
  throw new PofxError("network", "The server sent an empty answer.");
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

/** Adds up bytes over all files and reports them, at most every 50 ms. */
class Meter {
  #done = 0;
  #started = performance.now();
  #reported = -Infinity;
  /** @type {Job} */ #job;
  /** @type {number} */ #total;

  /** @param {Job} job @param {number} total */
  constructor(job, total) {
    this.#job = job;
    this.#total = total;
  }

  /** @param {number} bytes */
  add(bytes) {
    this.#done += bytes;
    const now = performance.now();
    if (now - this.#reported < 50 && this.#done < this.#total) return;
    this.#reported = now;
    const seconds = ((now - this.#started) / 1000) * (this.#total / this.#done - 1);
    this.#job.emit({
      type: "progress",
      progress: { phase: "download", done: this.#done, total: this.#total, bytes: this.#done, seconds_left: seconds },
    });
  }
}
