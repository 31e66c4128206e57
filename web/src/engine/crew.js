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
  /** The first picture of the next piece; pieces that a worker gave back go before. */
  let next = 0;
  /** @type {number[]} */
  const returned = [];
  const take = () => {
    const again = returned.pop();
    if (again !== undefined) return again;
    next += PIECE;
    return next - PIECE;
  };
  /** What the other workers are drawing. @type {Set<Promise<void>>} */
  const drawing = new Set();
  const isLeft = () => returned.length > 0 || next < n;
  let called = false;

  /** @param {Seat} seat @param {number} first */
  const draw = async (seat, first) => {
    /** @type {Message | undefined} */ let drawn;
    const keep = (/** @type {Message} */ message) => {
      if (message.event.type === "sampled") drawn = message;
      else if (seat === own) onMessage(message);
    };
    const question = /** @type {const} */ ({ type: "sample", n, first, count: Math.min(PIECE, n - first), seed });
    await seat.run(question, { signal: both, onMessage: keep });
    if (!drawn) throw new PofxError("engine-crashed", "The engine drew nothing.");
    pictures.add(first, drawn);
  };

  /** @param {Seat} seat */
  const help = async (seat) => {
    while (isLeft()) {
      const first = take();
      try {
        await draw(seat, first);
      } catch {
        returned.push(first);
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
    // The engine has the first word: it refuses a number of pictures that it would not draw.
    await draw(own, take());
    while (isLeft() || drawing.size > 0) {
      if (!called && (eager || pictures.msLeft > START_MS)) callOthers();
      await (isLeft() ? draw(own, take()) : Promise.race(drawing));
    }
  } finally {
    left.abort();
  }
}

/** Pictures that arrive in pieces; a step has those up to the first that is missing. */
class Pictures {
  #started = performance.now();
  #pieces = 0;
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

  /** Milliseconds that the rest takes at the pace so far. */
  get msLeft() {
    return ((performance.now() - this.#started) / this.#pieces) * (Math.ceil(this.#n / PIECE) - this.#pieces);
  }

  /** @param {number} first @param {Message} message */
  add(first, message) {
    this.#pieces += 1;
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
