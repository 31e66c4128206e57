// The public API of p-of-x. The page itself uses nothing else.
//
//   import { open } from "./p-of-x.js";
//   const model = await open("binary-mnist-vae", { backend: "auto" });
//   for await (const step of model.sample({ n: 16, seed: 7 })) draw(step.images);
//   const e = await model.logProb(image);            // { nats, std_error, kind, parts, terms, ... }
//   model.close();

import { PofxError, parseSeed } from "./engine/errors.js";
import { Host } from "./engine/host.js";
import { toPayload } from "./engine/image.js";

export { PofxError, parseSeed };

/** @typedef {import("./protocol.d.ts").BackendChoice} BackendChoice */
/** @typedef {import("./protocol.d.ts").BackendInfo} BackendInfo */
/** @typedef {import("./protocol.d.ts").Budget} Budget */
/** @typedef {import("./protocol.d.ts").Progress} Progress */
/** @typedef {import("./estimate.d.ts").Estimate} EstimateFields */
/** @typedef {import("./card.d.ts").Card} Card */
/** @typedef {import("./engine/image.js").ImageInput} ImageInput */
/** @typedef {import("./engine/errors.js").Code} Code */

/**
 * What every long job takes.
 * @typedef {{ signal?: AbortSignal, onProgress?: (progress: Progress) => void }} JobOptions
 */

/**
 * What `open` takes. `weights` is a .safetensors file of the same architecture, instead of the shipped one.
 * @typedef {JobOptions & { backend?: BackendChoice, weights?: Blob }} OpenOptions
 */

/**
 * A step of sampling: `done` of `total` pictures are there. `images` holds the samples x (0 or 255),
 * `means` the probabilities p(x_i = 1 | z) they were drawn with; both are `n` x `height` x `width`.
 * @typedef {Progress & { images: Uint8Array, means: Float32Array, n: number, width: number, height: number,
 *   seed: number }} SampleStep
 */

/**
 * The picture that was really scored: grey as prepared, pixels (0 or 255) as drawn from it with `seed`.
 * @typedef {{ width: number, height: number, grey: Uint8Array, pixels: Uint8Array, notices: string[],
 *   seed: number }} Scored
 */

/** How likely a picture is; never a bare number. @typedef {EstimateFields & { scored: Scored }} Estimate */

const BASE = new URL("./", import.meta.url);

/** One worker for all models of a page: they share the device and its memory. */
const host = new Host(BASE);

/**
 * Opens a model: downloads and verifies its weights, chooses the engine, and checks that engine against the
 * model's golden outputs.
 * @param {string} id for example "binary-mnist-vae"
 * @param {OpenOptions} [options]
 * @returns {Promise<Model>}
 */
export async function open(id, { backend = "auto", weights, signal, onProgress } = {}) {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(String(id))) {
    throw new PofxError("unknown-model", `There is no model named “${String(id).slice(0, 64)}”.`);
  }
  const model = new Model(id, backend, weights);
  await model.reopen({ signal, onProgress });
  return model;
}

/** An open model. Dispatches `backendchange` (detail: the new `backend`) when the engine has to change. */
export class Model extends EventTarget {
  /** @type {string} */ id;
  /** What the model is and how it was made. @type {Card} */ card = /** @type {any} */ (undefined);
  /** Which engine runs, whether it was verified, and why it was chosen. @type {BackendInfo} */
  backend = { name: "cpu", verified: false, reason: "" };

  /** @type {BackendChoice} */ #choice;
  /** @type {Blob | undefined} */ #weights;
  /** Why WebGPU is not to be tried again. @type {string | undefined} */ #noWebgpu;
  #handle = 0;
  #generation = -1;
  #closed = false;

  /** Not for callers: use `open`. @param {string} id @param {BackendChoice} choice @param {Blob} [weights] */
  constructor(id, choice, weights) {
    super();
    this.id = id;
    this.#choice = choice;
    this.#weights = weights;
  }

  /**
   * Draws from p(x). Ends early, without an error, when the loop is left; rejects when the signal says so.
   * @param {JobOptions & { n?: number, seed?: number | string }} [options]
   * @returns {AsyncGenerator<SampleStep, void, void>}
   */
  async *sample({ n = 16, seed = 0, signal, onProgress } = {}) {
    const parsed = parseSeed(seed);
    const left = new AbortController();
    const both = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
    /** @type {SampleStep[]} */
    const steps = [];
    let wake = () => {};
    let running = true;
    const job = this.#run({ type: "sample", n, seed: parsed }, {
      signal: both,
      onProgress,
      onMessage: ({ event, arrays }) => {
        if (event.type !== "sampled" || !arrays) return;
        steps.push(/** @type {SampleStep} */ ({ ...event.step, ...arrays, n, seed: parsed }));
        wake();
      },
    }).finally(() => {
      running = false;
      wake();
    });
    job.catch(() => {});
    try {
      while (running || steps.length > 0) {
        const step = steps.shift();
        if (step) yield step;
        else await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
      await job;
    } finally {
      left.abort();
    }
  }

  /**
   * Asks for log p(x).
   * @param {ImageInput} image a file, a canvas, ImageData, or 28 x 28 grey values (0 black, 255 white ink)
   * @param {JobOptions & { budget?: Budget, seed?: number | string }} [options]
   * @returns {Promise<Estimate>}
   */
  async logProb(image, { budget = "fast", seed = 0, signal, onProgress } = {}) {
    const parsed = parseSeed(seed);
    const { payload, transfer } = await toPayload(image);
    const { event, arrays } = await this.#run(
      { type: "log-prob", budget, seed: parsed },
      { payload, transfer, signal, onProgress },
    );
    if (event.type !== "done" || event.reply.type !== "estimate" || !arrays) throw unexpected(event);
    const { estimate, scored } = event.reply;
    const { terms, ...pictures } = arrays;
    return /** @type {Estimate} */ ({ ...estimate, terms, scored: { ...scored, ...pictures } });
  }

  /** Frees the model's memory. Jobs that run are not stopped. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#generation !== host.generation) return;
    host.run({ type: "close", model: this.#handle }).catch(() => {});
  }

  /**
   * Opens the model in the present worker: done by `open`, and again after the worker was replaced.
   * @param {JobOptions} [options]
   */
  async reopen({ signal, onProgress } = {}) {
    const { event } = await host.run(
      { type: "open", model: this.id, backend: this.#choice },
      {
        payload: { weights: this.#weights, noWebgpu: this.#noWebgpu },
        signal,
        onMessage: this.#listener(onProgress),
      },
    );
    if (event.type !== "done" || event.reply.type !== "opened") throw unexpected(event);
    this.card = JSON.parse(event.reply.card);
    this.#handle = event.reply.model;
    this.#generation = host.generation;
    this.#changeBackend(event.reply.backend);
  }

  /**
   * @param {{ type: "sample", n: number, seed: number } | { type: "log-prob", budget: Budget, seed: number }} command
   * @param {Parameters<Host["run"]>[1] & JobOptions} options
   */
  async #run(command, { onProgress, onMessage, ...options }) {
    if (this.#closed) throw new PofxError("bad-request", "This model was closed.");
    if (this.#generation !== host.generation) {
      // What crashed once on the GPU may well do so again.
      if (this.backend.name === "webgpu") this.#noWebgpu = `The engine crashed on WebGPU (${host.lastCrash}), so the CPU is used.`;
      await this.#once({ signal: options.signal, onProgress });
    }
    const listener = this.#listener(onProgress);
    return host.run({ ...command, model: this.#handle }, {
      ...options,
      onMessage: (message) => {
        listener(message);
        onMessage?.(message);
      },
    });
  }

  /** @type {Promise<void> | undefined} */ #reopening;

  /** Two jobs that meet a new worker open the model once. @param {JobOptions} options */
  #once(options) {
    this.#reopening ??= this.reopen(options).finally(() => (this.#reopening = undefined));
    return this.#reopening;
  }

  /** @param {((progress: Progress) => void) | undefined} onProgress */
  #listener(onProgress) {
    return (/** @type {import("./engine/host.js").Message} */ { event }) => {
      if (event.type === "backend") this.#changeBackend(event.backend);
      if (event.type === "progress") onProgress?.(event.progress);
      if (event.type === "sampled") onProgress?.(event.step);
    };
  }

  /** @param {BackendInfo} backend */
  #changeBackend(backend) {
    this.backend = backend;
    this.dispatchEvent(new CustomEvent("backendchange", { detail: backend }));
  }
}

/** @param {import("./protocol.d.ts").Event} event */
function unexpected(event) {
  return new PofxError("engine-crashed", `The engine answered with “${event.type}”, which does not fit the question.`);
}

/**
 * Makes the engine panic, so that recovery can be tried: the worker is replaced, the next call works again.
 * @returns {Promise<never>}
 */
export async function crash() {
  await host.run({ type: "panic" });
  throw new PofxError("engine-crashed", "The engine survived a panic.");
}
