// The public API of p-of-x. The page itself uses nothing else.
//
//   import { open } from "./p-of-x.js";
//   const model = await open("mnist-diffusion", { backend: "auto" });
//   for await (const step of model.sample({ n: 16, seed: 7, class: "3", steps: 20 })) draw(step.images);
//   const e = await model.logProb(image);            // { nats, std_error, kind, parts, terms, ... }
//   model.close();

import { split } from "./engine/controls.js";
import { drawTogether, usualCrew } from "./engine/crew.js";
import { PofxError, parseSeed } from "./engine/errors.js";
import { Host } from "./engine/host.js";
import { toPayload } from "./engine/image.js";
import { Seat, unexpected } from "./engine/seat.js";
import { stream } from "./engine/stream.js";

export { PofxError, parseSeed };

/** @typedef {import("./protocol.d.ts").BackendChoice} BackendChoice */
/** @typedef {import("./protocol.d.ts").BackendInfo} BackendInfo */
/** @typedef {import("./protocol.d.ts").Budget} Budget */
/**
 * How far a job is; its first phase may be the download of the engine.
 * @typedef {Omit<import("./protocol.d.ts").Progress, "phase"> & { phase: import("./protocol.d.ts").Phase | "engine" }} Progress
 */
/** @typedef {import("./protocol.d.ts").TrainStep} TrainStep */
/** @typedef {import("./estimate.d.ts").Estimate} EstimateFields */
/** @typedef {import("./estimate.d.ts").Estimator} Estimator */
/** @typedef {import("./card.d.ts").Card} Card */
/** @typedef {import("./card.d.ts").Control} Control */
/** @typedef {import("./engine/image.js").ImageInput} ImageInput */
/** @typedef {import("./engine/errors.js").Code} Code */

/**
 * What every long job takes.
 * @typedef {{ signal?: AbortSignal, onProgress?: (progress: Progress) => void }} JobOptions
 */

/**
 * What `open` takes. `weights` is a .safetensors file of the same architecture, instead of the shipped one. `workers`
 * share the drawing where the CPU computes; the pictures do not depend on their number. Without it, more than one is
 * started where the cores allow and the job is long.
 * @typedef {JobOptions & { backend?: BackendChoice, weights?: Blob, workers?: number }} OpenOptions
 */

/**
 * A step of sampling: `done` of `total` pictures are there, the one in hand is at `step` of `steps`. `images` holds what
 * there is of them all, the unfinished ones as they are, `predicted` what a diffusion model takes them for in the end: bytes,
 * `n` x `height` x `width` x `channels`. With the last step come `values`, what the bytes were rounded from, in [0, 1]: `n` x
 * `channels` x `height` x `width`.
 * @typedef {import("./protocol.d.ts").SampleStep & { images: Uint8Array, predicted?: Uint8Array, values?: Float32Array,
 *   n: number, seed: number }} SampleStep
 */

/**
 * The picture that was really scored, `height` x `width` x `channels` bytes: `levels` as prepared, `pixels` as scored (for a
 * model of black and white pictures 0 or 255, drawn from the levels with `seed`).
 * @typedef {import("./protocol.d.ts").Scored & { levels: Uint8Array, pixels: Uint8Array }} Scored
 */

/** How likely a picture is; never a bare number. @typedef {EstimateFields & { scored: Scored }} Estimate */

/**
 * p(value | x) of each value of a label, by number; `kind` says what each `nats` is to log p(x | value).
 * @typedef {import("./protocol.d.ts").Posterior & { notices: string[] }} Posterior
 */

/** A shipped model. @typedef {import("./card.d.ts").Listed} Listed */

/**
 * Where a picture is in the latent space. `nearest`: bytes, `height` x `width` x `channels` of the model's card; `notices`: what
 * was done to the picture first.
 * @typedef {{ latent: Float32Array, nearest: Uint8Array, distance: number, notices: string[] }} Encoded
 */

const BASE = new URL("./", import.meta.url);
const MOST_WORKERS = 16;

/** One worker for all models of a page: they share the device and its memory. */
const host = new Host(BASE);
/** More workers, which draw beside the first where the CPU computes; each starts when it is first needed. @type {Host[]} */
const more = [];

/**
 * Opens a model: downloads and verifies its weights, chooses the engine, and checks that engine against the
 * model's golden outputs.
 * @param {string} id for example "binary-mnist-vae"
 * @param {OpenOptions} [options]
 * @returns {Promise<Model>}
 */
export async function open(id, { backend = "auto", weights, workers, signal, onProgress } = {}) {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(String(id))) {
    throw new PofxError("unknown-model", `There is no model named “${String(id).slice(0, 64)}”.`);
  }
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= MOST_WORKERS)) {
    throw new PofxError("bad-request", `From 1 to ${MOST_WORKERS} workers can share the work, not ${workers}.`);
  }
  const model = new Model(id, backend, workers, weights);
  await model.reopen({ signal, onProgress });
  return model;
}

/**
 * The shipped models.
 * @returns {Promise<Listed[]>}
 */
export async function models() {
  const failed = (/** @type {string} */ why) => new PofxError("network", `The list of models could not be fetched: ${why}.`);
  const response = await fetch(new URL("models/models.json", BASE)).catch((error) => Promise.reject(failed(error.message)));
  if (!response.ok) throw failed(`the server answered ${response.status}`);
  return response.json();
}

/** An open model. Dispatches `backendchange` (detail: the new `backend`) when the engine has to change. */
export class Model extends EventTarget {
  /** @type {string} */ id;
  /** What the model is and how it was made. @type {Card} */ card = /** @type {any} */ (undefined);
  /** Which engine runs, whether it was verified, and why it was chosen. @type {BackendInfo} */
  backend = { name: "cpu", verified: false, reason: "" };

  /** How it can be asked for log p(x); the family's own way comes first. @type {Estimator[]} */ estimators = ["own"];

  /** @type {Blob | undefined} */ #weights;
  /** Why WebGPU is not to be tried again. @type {string | undefined} */ #noWebgpu;
  /** The model where all questions go. @type {Seat} */ #seat;
  /** The model in more workers, once they are needed. @type {Seat[]} */ #others = [];
  /** @type {number} */ #workers;
  /** Whether the caller wants them even where there is little to draw. @type {boolean} */ #eager;
  #closed = false;

  /** Not for callers: use `open`. @param {string} id @param {BackendChoice} choice @param {number} [workers] @param {Blob} [weights] */
  constructor(id, choice, workers, weights) {
    super();
    this.id = id;
    this.#workers = workers ?? usualCrew();
    this.#eager = workers !== undefined;
    this.#weights = weights;
    const wish = () => ({ id, backend: choice, weights: this.#weights, noWebgpu: this.#noWebgpu });
    this.#seat = new Seat(host, wish, ({ card, estimators, backend }) => {
      this.card = JSON.parse(card);
      this.estimators = estimators;
      this.#changeBackend(backend);
    });
  }

  /** What can be told the model while it draws; the names are options of `sample` and `encode`. @returns {Control[]} */
  get controls() {
    return this.card.controls;
  }

  /**
   * Draws from p(x). Ends early, without an error, when the loop is left; rejects when the signal says so. Options with
   * other names are controls of the model; a picture is what `logProb` takes, a mask a list of 1 (keep) and 0 (fill).
   * @param {JobOptions & { n?: number, seed?: number | string } & Record<string, any>} [options]
   * @returns {AsyncGenerator<SampleStep, void, void>}
   */
  async *sample({ n = 16, seed = 0, signal, onProgress, ...given } = {}) {
    const parsed = parseSeed(seed);
    const { settings, beside: payload } = split(this.controls, given);
    yield* stream(signal, async (/** @type {(step: SampleStep) => void} */ each, signal) => {
      const onMessage = this.#listener(onProgress, ({ event, arrays }) => {
        if (event.type === "sampled" && arrays) each(/** @type {any} */ ({ ...event.step, ...arrays, n, seed: parsed }));
      });
      await this.#ready({ signal, onMessage });
      // A GPU draws faster alone.
      if (this.backend.name === "webgpu" || this.#workers === 1) {
        const question = /** @type {const} */ ({ type: "sample", n, first: 0, count: n, seed: parsed, settings });
        return this.#seat.run(question, { payload, signal, onMessage });
      }
      const options = { n, seed: parsed, settings, payload, eager: this.#eager, signal, onMessage };
      return drawTogether(this.#seat, () => this.#crew(), options);
    });
  }

  /**
   * Finds the point of the latent space that the model draws as this picture: what the control `latent` takes. What it draws
   * from there under the same controls is `nearest`, `distance` from the picture: the root of the mean square of the differences,
   * on levels from 0 to 1.
   * @param {ImageInput} image
   * @param {JobOptions & { seed?: number | string } & Record<string, any>} [options] controls of the model, as in `sample`
   * @returns {Promise<Encoded>}
   */
  async encode(image, { seed = 0, signal, onProgress, ...given } = {}) {
    const parsed = parseSeed(seed);
    const { settings, beside } = split(this.controls, given);
    const payload = { ...beside, image: toPayload(image) };
    const onMessage = this.#listener(onProgress);
    await this.#ready({ signal, onMessage });
    const { event, arrays } = await this.#seat.run({ type: "encode", seed: parsed, settings }, { payload, signal, onMessage });
    if (event.type !== "done" || event.reply.type !== "encoded" || !arrays) throw unexpected(event);
    const { latent, nearest } = /** @type {{ latent: Float32Array, nearest: Uint8Array }} */ (arrays);
    const { distance, notices } = event.reply;
    return { latent, nearest, distance, notices };
  }

  /**
   * Asks for log p(x).
   * @param {ImageInput} image a file, a canvas, ImageData, or grey values (0 paper, 255 ink)
   * @param {JobOptions & { estimator?: Estimator, budget?: Budget, precision?: number, seed?: number | string } & Record<string, any>} [options]
   *   `estimator` is one of `model.estimators`; `precision` is a standard error in nats at which less work is enough; labels of the model may be given: then it is log p(x | label), without them the p(x) that the model learned from pictures whose labels were left out
   * @returns {Promise<Estimate>}
   */
  async logProb(image, { estimator = "own", budget = "fast", precision, seed = 0, signal, onProgress, ...given } = {}) {
    const parsed = parseSeed(seed);
    const { settings } = split(this.controls, given);
    this.#checkEstimator(estimator);
    if (precision !== undefined && !(Number(precision) > 0)) {
      throw new PofxError("bad-request", "The precision is a standard error in nats: it must be above 0.");
    }
    const payload = { image: toPayload(image) };
    const onMessage = this.#listener(onProgress);
    await this.#ready({ signal, onMessage });
    const question = /** @type {const} */ ({ type: "log-prob", estimator, budget, precision, seed: parsed, settings });
    const { event, arrays } = await this.#seat.run(question, { payload, signal, onMessage });
    if (event.type !== "done" || event.reply.type !== "estimate" || !arrays) throw unexpected(event);
    const { estimate, scored } = event.reply;
    const { terms, ...pictures } = arrays;
    return /** @type {Estimate} */ ({ ...estimate, terms, scored: { ...scored, ...pictures } });
  }

  /**
   * Asks for p(value | x) of each value of a label, by Bayes' rule with all values alike before the picture is seen.
   * @param {ImageInput} image
   * @param {JobOptions & { label?: string, estimator?: Estimator, budget?: Budget, seed?: number | string } & Record<string, any>} [options]
   *   `label` is the name of one of the model's labels, by default the first; others may be given
   * @returns {Promise<Posterior>}
   */
  async posterior(image, { label, estimator = "own", budget = "fast", seed = 0, signal, onProgress, ...given } = {}) {
    const parsed = parseSeed(seed);
    const { settings } = split(this.controls, given);
    this.#checkEstimator(estimator);
    const payload = { image: toPayload(image) };
    const onMessage = this.#listener(onProgress);
    await this.#ready({ signal, onMessage });
    const question = /** @type {const} */ ({ type: "posterior", label, estimator, budget, seed: parsed, settings });
    const { event } = await this.#seat.run(question, { payload, signal, onMessage });
    if (event.type !== "done" || event.reply.type !== "posterior") throw unexpected(event);
    return { ...event.reply.posterior, notices: event.reply.notices };
  }

  /**
   * Makes a picture one of the model's size, as `logProb` does, for `train`.
   * @param {ImageInput} image
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<{ levels: Uint8Array, notices: string[] }>} `channels` x `height` x `width` bytes, and what was done to it
   */
  async prepare(image, { signal } = {}) {
    await this.#ready({ signal });
    const { event, arrays } = await this.#seat.run({ type: "prepare" }, { payload: { image: toPayload(image) }, signal });
    if (event.type !== "done" || event.reply.type !== "prepared" || !arrays) throw unexpected(event);
    return { levels: /** @type {Uint8Array} */ (arrays.levels), notices: event.reply.notices };
  }

  /**
   * Trains the model on pictures of a person's own, on the engine it runs on: further, or `fresh`, from new weights. What it
   * has learnt stays when the loop is left, when the signal ends the job, and when the engine is lost; samples and answers
   * then come from the new weights. A course may be made in parts: after step `from`, up to step `until` of all `steps`,
   * with the `states` of the part before (`learnt`); they end with the same weights as one run.
   * @param {Uint8Array} images `channels` x `height` x `width` bytes each, as `prepare` gives them (0 black, 255 white ink)
   * @param {JobOptions & { steps?: number, from?: number, until?: number, fresh?: boolean, states?: Blob, batch?: number,
   *   rate?: number, seed?: number | string }} [options] `rate` is the learning rate of Adam
   * @returns {AsyncGenerator<TrainStep, void, void>}
   */
  async *train(images, { steps = 100, from = 0, until = steps, fresh = false, states, batch = 32, rate = 1e-3, seed = 0, signal, onProgress } = {}) {
    const course = { steps, from, until, fresh, batch, rate, seed: parseSeed(seed) };
    const payload = { images, states: states && new Uint8Array(await states.arrayBuffer()) };
    yield* stream(signal, async (/** @type {(step: TrainStep) => void} */ each, signal) => {
      const onMessage = this.#listener(onProgress, ({ event, arrays }) => {
        if (event.type !== "trained") return;
        if (arrays?.weights) this.#learn(event.step.done, /** @type {Record<string, Uint8Array<ArrayBuffer>>} */ (arrays));
        each(event.step);
      });
      await this.#ready({ signal, onMessage });
      return this.#seat.run({ type: "train", course }, { payload, signal, onMessage });
    });
  }

  /** The weights that `train` has made, as a safetensors file; undefined while they are those that were opened. */
  get trained() {
    return this.#learnt?.weights;
  }

  /** Where `train` stands: after which step, with which weights, and with which `states` to go on from; two safetensors files. */
  get learnt() {
    return this.#learnt;
  }
  /** @type {{ step: number, weights: Blob, states: Blob } | undefined} */ #learnt;

  /**
   * The model as it is now, for other runtimes: an ONNX file for each of its Programs, by its short name.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Record<string, Uint8Array>>}
   */
  async onnx({ signal } = {}) {
    await this.#ready({ signal });
    const { event, arrays } = await this.#seat.run({ type: "export" }, { signal });
    if (event.type !== "done" || event.reply.type !== "exported" || !arrays) throw unexpected(event);
    return /** @type {Record<string, Uint8Array>} */ (arrays);
  }

  /** Frees the model's memory. Jobs that run are not stopped. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    for (const seat of [this.#seat, ...this.#others]) seat.close();
  }

  /**
   * Opens the model in the present worker: done by `open`, and again after the worker was replaced.
   * @param {JobOptions} [options]
   */
  async reopen({ signal, onProgress } = {}) {
    await this.#seat.open({ signal, onMessage: this.#listener(onProgress) });
  }

  /** @param {import("./engine/seat.js").Options} options */
  async #ready(options) {
    if (this.#closed) throw new PofxError("bad-request", "This model was closed.");
    if (this.#seat.current) return;
    // What crashed once on the GPU may well do so again.
    if (this.backend.name === "webgpu") this.#noWebgpu = `The engine crashed on WebGPU (${this.#seat.lastCrash}), so the CPU is used.`;
    await this.#seat.open(options);
  }

  /** The seats that draw beside the first. */
  #crew() {
    const wish = () => /** @type {const} */ ({ id: this.id, backend: "cpu", weights: this.#weights });
    for (let i = this.#others.length; i < this.#workers - 1; i += 1) {
      more[i] ??= new Host(BASE);
      this.#others.push(new Seat(more[i], wish));
    }
    return this.#others;
  }

  /** New weights: other workers must open them, and so must the one that follows this worker. @param {number} step @param {Record<string, Uint8Array<ArrayBuffer>>} files */
  #learn(step, files) {
    const [weights, states] = [files.weights, files.states].map((bytes) => new Blob([bytes], { type: "application/octet-stream" }));
    this.#learnt = { step, weights, states };
    this.#weights = weights;
    for (const seat of this.#others.splice(0)) seat.close();
  }

  /**
   * @param {((progress: Progress) => void) | undefined} onProgress
   * @param {(message: import("./engine/host.js").Message) => void} [also]
   */
  #listener(onProgress, also) {
    return (/** @type {import("./engine/host.js").Message} */ message) => {
      const { event } = message;
      if (event.type === "backend") this.#changeBackend(event.backend);
      if (event.type === "progress") onProgress?.(event.progress);
      if (event.type === "sampled" || event.type === "trained") onProgress?.(event.step);
      also?.(message);
    };
  }

  /** @param {Estimator} estimator */
  #checkEstimator(estimator) {
    if (this.estimators.includes(estimator)) return;
    const known = this.estimators.join(", ");
    throw new PofxError("bad-request", `The estimator “${String(estimator).slice(0, 64)}” can't answer for this model, only: ${known}.`);
  }

  /** @param {BackendInfo} backend */
  #changeBackend(backend) {
    this.backend = backend;
    this.dispatchEvent(new CustomEvent("backendchange", { detail: backend }));
  }
}

/**
 * Makes the engine panic, so that recovery can be tried: the worker is replaced, the next call works again.
 * @param {{ after?: number }} [options] at which event or turn of the jobs that follow, from 1; without it at once, which rejects
 */
export async function crash({ after = 0 } = {}) {
  await host.run({ type: "panic", after });
}
