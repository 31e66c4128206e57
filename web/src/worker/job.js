// One job as the worker and the Rust session see it: where events go, and whether to go on.

import { PofxError } from "../engine/errors.js";

/** @typedef {import("../protocol.d.ts").Event} JobEvent */

export class Job {
  /** Fetches of this job listen to it. */
  #controller = new AbortController();
  /** @type {MessagePort} */ #port;

  /** @param {MessagePort} port */
  constructor(port) {
    this.#port = port;
    port.onmessage = () => this.#controller.abort();
  }

  get aborted() {
    return this.#controller.signal.aborted;
  }

  get signal() {
    return this.#controller.signal;
  }

  /**
   * Sends an event; large arrays are moved, not copied.
   * @param {JobEvent} event
   * @param {Record<string, Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>} [arrays]
   */
  emit(event, arrays) {
    this.#port.postMessage({ event, arrays }, arrays ? Object.values(arrays).map((array) => array.buffer) : []);
  }

  /**
   * Lets the worker hear its messages, then says whether the job goes on. A message to oneself is a whole turn of the
   * event loop and, unlike a timer, is not held back to 4 ms.
   * @returns {Promise<boolean>}
   */
  tick() {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve(!this.aborted);
      };
      port2.postMessage(0);
    });
  }

  /** Milliseconds since the worker began. */
  now() {
    return performance.now();
  }

  failAborted() {
    this.emit({ type: "error", code: "aborted", message: "The job was stopped.", recoverable: true });
  }

  /** @param {unknown} thrown */
  fail(thrown) {
    if (this.aborted) return this.failAborted();
    const { code, message, recoverable } = PofxError.from(thrown);
    this.emit({ type: "error", code, message, recoverable });
  }
}
