// One file of a model: downloaded with progress, verified by length and SHA-256 against the card, and kept in the origin private
// file system under its checksum, so that a second visit or a second tab downloads nothing. A download that was cut goes on
// where it stopped.

import { PofxError } from "../engine/errors.js";
import { tell } from "../offline/notices.js";
import { Cache } from "./cache.js";

/** @typedef {import("./cache.js").Part} Part */
/** @typedef {import("../card.d.ts").FileCard} FileCard */
/** @typedef {Pick<import("./job.js").Job, "aborted" | "signal" | "emit">} Job */
/** @typedef {(bytes: Uint8Array<ArrayBuffer>) => string | Promise<string>} Sha256 */

/** A file to get, for a job. @typedef {{ url: URL, card: FileCard, meter: Meter, job: Job, sha256: Sha256 }} Wanted */

/**
 * One file, from this device or the network; what is returned has the card's length and checksum.
 * @param {Wanted} wanted
 */
export async function loadFile(wanted) {
  const { url, card, meter, job, sha256 } = wanted;
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
    const keeper = new Keeper(cache, await cache.part(card.sha256), wanted);
    try {
      return await verified(wanted, keeper);
    } finally {
      keeper.close();
    }
  });
}

/**
 * A file from the network, verified and kept. What joins two downloads may be of two versions: then once more, from its start.
 * @param {Wanted} wanted
 * @param {Keeper} keeper
 */
async function verified(wanted, keeper) {
  const { card, meter, sha256 } = wanted;
  for (let resumed = keeper.length > 0; ; resumed = false) {
    const bytes = await download(wanted, keeper);
    if ((await sha256(bytes)) === card.sha256) {
      await keeper.finish(bytes);
      return bytes;
    }
    keeper.restart();
    meter.add(-bytes.length);
    if (!resumed) throw new PofxError("integrity", `${card.file} is damaged: its checksum is not the one on the model's card.`);
  }
}

/** Writes what arrives, as long as there is room: without room the file lives in memory, and the person is told. */
class Keeper {
  /** @type {Cache} */ #cache;
  /** @type {Part | undefined} */ #part;
  /** @type {Wanted} */ #wanted;
  #failed = false;

  /** @param {Cache} cache @param {Part | undefined} part @param {Wanted} wanted */
  constructor(cache, part, wanted) {
    [this.#cache, this.#part, this.#wanted] = [cache, part, wanted];
    // All bytes, and yet not the file: nothing to go on from.
    if (this.length >= wanted.card.bytes) this.restart();
  }

  /** Whether what comes is kept here as it comes. */
  get keeps() {
    return this.#part !== undefined;
  }

  /** Bytes that came earlier. */
  get length() {
    return this.#part?.length ?? 0;
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

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  async finish(bytes) {
    const { sha256 } = this.#wanted.card;
    try {
      if (this.#part) await this.#part.finish(sha256);
      else if (!this.#failed) await this.#cache.write(sha256, bytes);
    } catch {
      this.#noRoom();
    }
  }

  /** What is there stays for the next try. */
  close() {
    this.#part?.close();
  }

  #noRoom() {
    const { url, card } = this.#wanted;
    this.#part?.restart();
    this.#part?.close();
    [this.#part, this.#failed] = [undefined, true];
    tell({ full: true, name: modelOf(url), bytes: card.bytes });
  }
}

/**
 * The bytes of a file, from the network as far as they are not here.
 * @param {Wanted} wanted
 * @param {Keeper} keeper
 */
async function download({ url, card, meter, job }, keeper) {
  const response = await requestFrom(keeper, url, job);
  if (response.status !== 206) keeper.restart();
  const start = keeper.length;
  const promised = start + announced(response, card.bytes - start);
  if (promised !== card.bytes) throw wrongLength(card, promised);
  const bytes = new Uint8Array(card.bytes);
  keeper.read(bytes);
  meter.add(start);
  let got = start;
  try {
    for (const reader = body(response).getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      if (got + value.length > card.bytes) {
        keeper.restart();
        void reader.cancel();
        throw wrongLength(card, got + value.length);
      }
      bytes.set(value, got);
      keeper.append(value);
      got += value.length;
      meter.add(value.length);
    }
  } catch (cause) {
    if (job.aborted || cause instanceof PofxError) throw cause;
    throw new PofxError("network", `The download of ${card.file} stopped after ${got} of ${card.bytes} bytes.`, { cause });
  }
  if (got !== card.bytes) throw wrongLength(card, got);
  return bytes;
}

/** How many bytes an answer says it has; `otherwise` where it does not say, or counts them compressed. @param {Response} response @param {number} otherwise */
function announced({ headers }, otherwise) {
  const length = headers.get("content-length");
  return length === null || headers.has("content-encoding") ? otherwise : Number(length);
}

/** @param {FileCard} card @param {number} got */
function wrongLength({ file, bytes }, got) {
  const what = got < bytes ? `only ${got} of ${bytes} bytes arrived` : `more than ${bytes} bytes came`;
  return new PofxError("integrity", `${file} is not complete: ${what}.`);
}

/** The rest of a file; the whole where the server does not give parts. @param {Keeper} keeper @param {URL} url @param {Job} job */
async function requestFrom({ length: start, keeps }, url, job) {
  // The browser's own cache would keep the file once more, and Firefox would wait 20 s for its entry of a download that was stopped.
  /** @type {RequestCache} */ const cache = keeps ? "no-store" : "default";
  if (start > 0) {
    const response = await request(url, job, { cache, headers: { range: `bytes=${start}-` } });
    const fits = response.headers.get("content-range")?.startsWith(`bytes ${start}-`);
    if (response.status === 200 || (response.status === 206 && fits)) return response;
    void response.body?.cancel();
  }
  return okay(await request(url, job, { cache }), url);
}

/** The id of the model that a file belongs to. @param {URL} url */
function modelOf(url) {
  return url.pathname.split("/").at(-2) ?? "a model";
}

/** @param {URL} url @param {Job} job @param {RequestInit} [options] */
export async function request(url, job, options) {
  try {
    return await fetch(url, { ...options, signal: job.signal });
  } catch (cause) {
    if (job.aborted) throw cause;
    const name = url.pathname.split("/").at(-1);
    throw new PofxError("network", `${name} could not be downloaded: the network did not answer.`, { cause });
  }
}

/** @param {Response} response @param {URL} url */
export function okay(response, url) {
  if (response.ok) return response;
  const name = url.pathname.split("/").at(-1);
  throw new PofxError("network", `${name} could not be downloaded: the server answered ${response.status}.`);
}

/** @param {Response} response */
function body(response) {
  if (response.body) return response.body;
  throw new PofxError("network", "The server sent an empty answer.");
}

/** Adds up bytes over all files and reports them, at most every 50 ms. */
export class Meter {
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
