// A model's files: fetched with progress, verified by length and SHA-256 against its card, and kept in the origin
// private file system under their checksum, so that a second visit or a second tab downloads nothing. A download that was cut
// goes on where it stopped.

import { PofxError } from "../engine/errors.js";
import { tell } from "../offline/notices.js";
import { Cache, keepCard, keptCard } from "./cache.js";

/** @typedef {Pick<import("./job.js").Job, "aborted" | "signal" | "emit">} Job */
/** @typedef {import("./cache.js").Part} Part */
/** @typedef {import("../card.d.ts").FileCard} FileCard */
/** @typedef {(bytes: Uint8Array<ArrayBuffer>) => string | Promise<string>} Sha256 */

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
    if (cached) {
      if (cached.length === card.bytes && (await sha256(cached)) === card.sha256) {
        meter.add(cached.length);
        return cached;
      }
      await cache.remove(card.sha256);
      tell({ text: `The copy of ${modelOf(url)} on this device was damaged; it is downloaded again.` });
    }
    const part = await cache.part(card.sha256);
    try {
      return await whole(url, card, part, cache, meter, job, sha256);
    } finally {
      part?.close();
    }
  });
}

/**
 * A file from the network, verified and kept. What joins two downloads may be of two versions: then once more, from its start.
 * @param {URL} url
 * @param {FileCard} card
 * @param {Part | undefined} part
 * @param {Cache} cache
 * @param {Meter} meter
 * @param {Job} job
 * @param {Sha256} sha256
 */
async function whole(url, card, part, cache, meter, job, sha256) {
  for (let resumed = (part?.length ?? 0) > 0; ; resumed = false) {
    const keep = new Keeper(part, url, card);
    const bytes = await download(url, card, keep, meter, job);
    if ((await sha256(bytes)) === card.sha256) {
      await keep.finish(cache, bytes);
      return bytes;
    }
    keep.restart();
    meter.add(-bytes.length);
    if (!resumed) throw new PofxError("integrity", `${card.file} is damaged: its checksum is not the one on the model's card.`);
  }
}

/** Writes what arrives, as long as there is room: without room the file lives in memory, and the person is told. */
class Keeper {
  /** @type {Part | undefined} */ #part;
  /** @type {URL} */ #url;
  /** @type {FileCard} */ #card;

  /** @param {Part | undefined} part @param {URL} url @param {FileCard} card */
  constructor(part, url, card) {
    [this.#part, this.#url, this.#card] = [part, url, card];
  }

  /** Bytes that came earlier. */
  get length() {
    const length = this.#part?.length ?? 0;
    return length < this.#card.bytes ? length : 0;
  }

  /** @param {Uint8Array} bytes whose start is filled with what came earlier */
  read(bytes) {
    this.#part?.read(bytes.subarray(0, this.length));
  }

  restart() {
    this.#part?.restart();
  }

  /** @param {Uint8Array} bytes */
  append(bytes) {
    try {
      this.#part?.append(bytes);
    } catch {
      this.#noRoom();
    }
  }

  /** @param {Cache} cache @param {Uint8Array<ArrayBuffer>} bytes */
  async finish(cache, bytes) {
    try {
      if (this.#part) await this.#part.finish(this.#card.sha256);
      else await cache.write(this.#card.sha256, bytes);
    } catch {
      this.#noRoom();
    }
  }

  #noRoom() {
    this.#part?.restart();
    this.#part = undefined;
    tell({ full: true, name: modelOf(this.#url), bytes: this.#card.bytes });
  }
}

/**
 * @param {URL} url
 * @param {FileCard} card
 * @param {Keeper} keep
 * @param {Meter} meter
 * @param {Job} job
 */
async function download(url, card, keep, meter, job) {
  const bytes = new Uint8Array(card.bytes);
  let got = keep.length;
  const response = await requestFrom(got, url, job);
  if (got > 0 && response.status === 206) keep.read(bytes);
  else [got] = [0, keep.restart()];
  meter.add(got);
  try {
    for (const reader = body(response).getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      if (got + value.length > bytes.length) [got] = [got + value.length, keep.restart()];
      if (got > bytes.length) break;
      bytes.set(value, got);
      keep.append(value);
      got += value.length;
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

/** The rest of a file; the whole where the server does not give parts. @param {number} start @param {URL} url @param {Job} job */
async function requestFrom(start, url, job) {
  if (start > 0) {
    const response = await request(url, job, { range: `bytes=${start}-` });
    const fits = response.headers.get("content-range")?.startsWith(`bytes ${start}-`);
    if (response.status === 200 || (response.status === 206 && fits)) return response;
  }
  return okay(await request(url, job), url);
}

/** The id of the model that a file belongs to. @param {URL} url */
function modelOf(url) {
  return url.pathname.split("/").at(-2) ?? "a model";
}

/** @param {URL} url @param {Job} job @param {Record<string, string>} [headers] */
async function request(url, job, headers) {
  try {
    return await fetch(url, { signal: job.signal, headers });
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

  /** @param {number} bytes negative where they must come again */
  add(bytes) {
    this.#done += bytes;
    if (bytes <= 0) return;
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
