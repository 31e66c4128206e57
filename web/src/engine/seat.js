// A model in one worker: opened there when it is first needed, and again after the worker was replaced.

import { PofxError } from "./errors.js";

/** @typedef {import("../protocol.d.ts").BackendChoice} BackendChoice */
/** @typedef {import("../protocol.d.ts").Budget} Budget */
/** @typedef {import("../estimate.d.ts").Estimator} Estimator */
/** @typedef {import("../protocol.d.ts").Course} Course */
/** @typedef {import("../protocol.d.ts").Reply} Reply */
/** @typedef {import("./controls.js").Setting} Setting */
/** @typedef {import("./host.js").Host} Host */
/** @typedef {import("./host.js").Message} Message */

/** A command but for the model's handle, which the seat knows.
 * @typedef {{ type: "sample", n: number, first: number, count: number, seed: number, settings: Record<string, Setting> }
 *   | { type: "encode", seed: number, settings: Record<string, Setting> }
 *   | { type: "log-prob", estimator: Estimator, budget: Budget, precision: number | undefined, seed: number, settings: Record<string, Setting> }
 *   | { type: "posterior", label: string | undefined, estimator: Estimator, budget: Budget, seed: number, settings: Record<string, Setting> }
 *   | { type: "prepare" } | { type: "export" } | { type: "train", course: Course }} Question */

/** What may come with a command. @typedef {NonNullable<Parameters<Host["run"]>[1]>} Options */

/** How a model is to be opened. @typedef {{ id: string, backend: BackendChoice, weights?: Blob, noWebgpu?: string }} Wish */

export class Seat {
  /** @type {Host} */ #host;
  /** @type {() => Wish} */ #wish;
  /** @type {(opened: Extract<Reply, { type: "opened" }>) => void} */ #opened;
  /** @type {Promise<void> | undefined} */ #opening;
  #handle = 0;
  #generation = -1;

  /**
   * @param {Host} host
   * @param {() => Wish} wish asked each time the model is opened
   * @param {(opened: Extract<Reply, { type: "opened" }>) => void} [opened] told each time it was
   */
  constructor(host, wish, opened = () => {}) {
    this.#host = host;
    this.#wish = wish;
    this.#opened = opened;
  }

  /** Whether the worker that has the model is still there. */
  get current() {
    return this.#generation === this.#host.generation;
  }

  /** How the last worker ended. */
  get lastCrash() {
    return this.#host.lastCrash;
  }

  /**
   * Opens the model in the present worker. Two jobs that meet a new worker open it once.
   * @param {Options} [options]
   */
  open(options) {
    this.#opening ??= this.#open(options).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** @param {Options} [options] */
  async #open({ signal, onMessage } = {}) {
    const { id, backend, weights, noWebgpu } = this.#wish();
    const payload = { weights, noWebgpu };
    // Nobody would ever close it.
    const onUnwanted = (/** @type {Message} */ { event }) => {
      if (event.type === "done" && event.reply.type === "opened") this.#free(event.reply.model);
    };
    const { event } = await this.#host.run({ type: "open", model: id, backend }, { payload, signal, onMessage, onUnwanted });
    if (event.type !== "done" || event.reply.type !== "opened") throw unexpected(event);
    this.#handle = event.reply.model;
    this.#generation = this.#host.generation;
    this.#opened(event.reply);
  }

  /**
   * Opens the model if the present worker does not have it.
   * @param {Options} [options]
   */
  async ready(options) {
    if (!this.current) await this.open(options);
  }

  /**
   * @param {Question} question
   * @param {Options} [options]
   * @returns {Promise<Message>}
   */
  async run(question, options) {
    await this.ready({ signal: options?.signal, onMessage: options?.onMessage });
    return this.#host.run({ ...question, model: this.#handle }, options);
  }

  /** Frees the model's memory. Jobs that run are not stopped. */
  close() {
    if (this.current) this.#free(this.#handle);
  }

  /** @param {number} model */
  #free(model) {
    this.#host.run({ type: "close", model }).catch(() => {});
  }
}

/** @param {{ type: string }} event */
export function unexpected(event) {
  return new PofxError("engine-crashed", `The engine answered with “${event.type}”, which does not fit the question.`);
}
