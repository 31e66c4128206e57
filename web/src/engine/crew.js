// Several workers draw the pictures of one seed together. Workers share no memory, which would need special headers
// from the server; they need not: the noise of a picture depends on the seed and its number alone, so whoever draws it
// draws the same.

import { PofxError } from "./errors.js";

/** @typedef {import("./seat.js").Seat} Seat */
/** @typedef {import("./host.js").Message} Message */
/** @typedef {import("../protocol.d.ts").SampleStep} SampleStep */
/** @typedef {import("./controls.js").Setting} Setting */

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
 * @param {{ n: number, seed: number, settings: Record<string, Setting>, payload: unknown, eager: boolean,
 *   signal?: AbortSignal, onMessage: (message: Message) => void }} options `eager`: they are always worth it
 */
export async function drawTogether(own, others, { n, seed, settings, payload, eager, signal, onMessage }) {
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
    const count = Math.min(PIECE, n - first);
    let drawn = 0;
    const keep = (/** @type {Message} */ message) => {
      if (message.event.type === "sampled") {
        pictures.put(first, message);
        drawn = message.event.step.done;
        if (isLeft() && !called && pictures.msLeft > START_MS) callOthers();
      } else if (seat === own) onMessage(message);
    };
    await seat.run({ type: "sample", n, first, count, seed, settings }, { payload, signal: both, onMessage: keep });
    if (drawn !== count) throw new PofxError("engine-crashed", `The engine drew ${drawn} pictures of ${count}.`);
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
      if (!called && eager) callOthers();
      await (isLeft() ? draw(own, take()) : Promise.race(drawing));
    }
  } finally {
    left.abort();
  }
}

/** Pictures that arrive in pieces, each several times while it is being drawn. */
class Pictures {
  #started = performance.now();
  /** The last step of each piece, by its first picture. @type {Map<number, SampleStep>} */ #pieces = new Map();
  /** @type {Record<string, Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>} */ #arrays = {};
  #told = -Infinity;
  #toldDone = 0;
  /** @type {number} */ #n;
  /** @type {(message: Message) => void} */ #tell;

  /** @param {number} n @param {(message: Message) => void} tell */
  constructor(n, tell) {
    this.#n = n;
    this.#tell = tell;
  }

  /** Milliseconds that the rest takes at the pace so far; a picture that is half drawn is half a picture. */
  get msLeft() {
    let worked = 0;
    for (const step of this.#pieces.values()) worked += worth(step);
    return worked > 0 ? ((performance.now() - this.#started) / worked) * (this.#n - worked) : 0;
  }

  /** Pictures up to the first that is not done. */
  get #done() {
    let done = 0;
    for (let piece = this.#pieces.get(0); piece; piece = this.#pieces.get(done)) {
      done += piece.done;
      if (piece.done < piece.total) break;
    }
    return done;
  }

  /** @param {number} first @param {Message} message */
  put(first, { event, arrays = {} }) {
    if (event.type !== "sampled") return;
    const { step } = event;
    this.#pieces.set(first, step);
    const size = step.width * step.height * step.channels;
    for (const [name, part] of Object.entries(arrays)) {
      const Typed = /** @type {Uint8ArrayConstructor | Float32ArrayConstructor} */ (part.constructor);
      this.#arrays[name] ??= new Typed(this.#n * size);
      this.#arrays[name].set(part, first * size);
    }
    const now = performance.now();
    const done = this.#done;
    // The last picture is always told.
    if (now - this.#told < TELL_MS && (done < this.#n || done === this.#toldDone)) return;
    this.#told = now;
    this.#toldDone = done;
    const whole = { ...step, done, total: this.#n, seconds_left: this.msLeft / 1000 };
    // A copy: the receiver may keep a step while the next one is filled in.
    const told = Object.entries(this.#arrays).filter(([name]) => name !== "values" || done === this.#n);
    const copies = Object.fromEntries(told.map(([name, array]) => [name, array.slice()]));
    this.#tell({ event: { type: "sampled", step: whole }, arrays: copies });
  }
}

/** Pictures that a step is worth: those in hand count by how far they are. @param {SampleStep} step */
export function worth({ done, total, step, steps }) {
  return done + (step < steps ? ((total - done) * step) / steps : 0);
}

/** How many workers a machine is given: one core is left to the page, and more than four gain little. */
export function usualCrew() {
  return Math.min(Math.max((navigator.hardwareConcurrency ?? 1) - 1, 1), 4);
}
