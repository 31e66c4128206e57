// Several workers draw the pictures of one seed together. Workers share no memory, which would need special headers
// from the server; they need not: the noise of a picture depends on the seed and its number alone, so whoever draws it
// draws the same.

import { PofxError } from "./errors.js";

/** @typedef {import("./seat.js").Seat} Seat */
/** @typedef {import("./host.js").Message} Message */
/** @typedef {import("../protocol.d.ts").SampleStep} SampleStep */

/** Pictures in one piece of work: what an engine on the CPU draws at once. */
const PIECE = 4;
/** A worker takes about this long to start and to open a model: what is done sooner is not worth one. */
const START_MS = 400;
/** A step has all pictures in it: a large job is not to be busy with copies. */
const TELL_MS = 40;

/**
 * Draws `n` pictures. The first seat is the model's own, and its failures end the job. The others join it once they are
 * open, if by then there is something left to draw; one that fails leaves its piece to the rest.
 * @param {Seat} own
 * @param {() => Seat[]} others asked for when the rest of the job is worth them
 * @param {{ n: number, seed: number, eager: boolean, signal?: AbortSignal, onMessage: (message: Message) => void }} options
 *   `eager`: they are always worth it
 */
export async function drawTogether(own, others, { n, seed, eager, signal, onMessage }) {
  const pictures = new Pictures(n, onMessage);
  const left = new AbortController();
  const both = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
  const pieces = Array.from({ length: Math.ceil(n / PIECE) }, (_, i) => i * PIECE);
  const started = performance.now();
  /** What the other workers are drawing. @type {Set<Promise<void>>} */
  const drawing = new Set();
  let called = false;

  /** @param {Seat} seat @param {number} first */
  const draw = async (seat, first) => {
    /** @type {Message | undefined} */ let drawn;
    const keep = (/** @type {Message} */ message) => {
      if (message.event.type === "sampled") drawn = message;
      else if (seat === own) onMessage(message);
    };
    const question = /** @type {const} */ ({ type: "sample", first, n: Math.min(PIECE, n - first), seed });
    await seat.run(question, { signal: both, onMessage: keep });
    if (!drawn) throw new PofxError("engine-crashed", "The engine drew nothing.");
    pictures.add(first, drawn);
  };

  /** @param {Seat} seat */
  const help = async (seat) => {
    for (let first = pieces.shift(); first !== undefined; first = pieces.shift()) {
      try {
        await draw(seat, first);
      } catch {
        pieces.unshift(first);
        return;
      }
    }
  };

  const callOthers = () => {
    called = true;
    for (const seat of others()) {
      // Not stopped with this job: the next one will find it open.
      const helping = seat.ready().then(() => {
        const work = help(seat).finally(() => drawing.delete(work));
        drawing.add(work);
      });
      // A worker that can't be had is one less.
      helping.catch(() => {});
    }
  };

  try {
    if (eager) callOthers();
    while (pieces.length > 0 || drawing.size > 0) {
      const first = pieces.shift();
      if (first === undefined) {
        await Promise.race(drawing);
        continue;
      }
      await draw(own, first);
      const pace = (performance.now() - started) / (pictures.pieces || 1);
      if (!called && pace * pieces.length > START_MS) callOthers();
    }
  } finally {
    left.abort();
  }
}

/** Pictures that arrive in pieces; a step has those up to the first that is missing. */
class Pictures {
  #started = performance.now();
  /** @type {Map<number, Message>} */ #waiting = new Map();
  #done = 0;
  /** @type {Record<string, Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>} */ #arrays = {};
  /** @type {SampleStep | undefined} */ #step;
  #told = -Infinity;
  /** @type {number} */ #n;
  /** @type {(message: Message) => void} */ #tell;

  /** @param {number} n @param {(message: Message) => void} tell */
  constructor(n, tell) {
    this.#n = n;
    this.#tell = tell;
  }

  /** How many pieces are there. */
  pieces = 0;

  /** @param {number} first @param {Message} message */
  add(first, message) {
    this.pieces += 1;
    this.#waiting.set(first, message);
    for (let next = this.#waiting.get(this.#done); next; next = this.#waiting.get(this.#done)) {
      this.#waiting.delete(this.#done);
      this.#append(next);
    }
    const now = performance.now();
    if (!this.#step || (this.#done < this.#n && now - this.#told < TELL_MS)) return;
    this.#told = now;
    const seconds = (now - this.#started) / 1000;
    const step = { ...this.#step, done: this.#done, total: this.#n, seconds_left: (seconds / this.#done) * (this.#n - this.#done) };
    // A copy: the receiver may keep a step while the next one is filled in.
    const copies = Object.fromEntries(Object.entries(this.#arrays).map(([name, array]) => [name, array.slice()]));
    this.#tell({ event: { type: "sampled", step }, arrays: copies });
  }

  /** @param {Message} message */
  #append({ event, arrays = {} }) {
    if (event.type !== "sampled") return;
    const { width, height, total } = event.step;
    for (const [name, part] of Object.entries(arrays)) {
      const Array = /** @type {Uint8ArrayConstructor | Float32ArrayConstructor} */ (part.constructor);
      this.#arrays[name] ??= new Array(this.#n * width * height);
      this.#arrays[name].set(part, this.#done * width * height);
    }
    this.#done += total;
    this.#step = event.step;
  }
}

/** How many workers a machine is given: one core is left to the page, and more than four gain little. */
export function usualCrew() {
  return Math.min(Math.max((navigator.hardwareConcurrency ?? 1) - 1, 1), 4);
}
