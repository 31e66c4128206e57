// The main thread's end of the engine: starts the worker, talks to it, and replaces it when it dies.
//
// After a wasm trap an instance must never be called again (its memory is in an unknown state), so the worker is
// terminated and a new one is made from the same compiled module. Three crashes in a minute: something is really
// broken, and the host stops trying.

import * as Comlink from "comlink";
import { PofxError, orForbidden } from "./errors.js";
import { firstLine, forbidden, moduleAt, otherVersion, until } from "./module.js";
import { startWorker } from "./scripts.js";

/** @typedef {import("../protocol.d.ts").Command} Command */
/** @typedef {import("../protocol.d.ts").Event} JobEvent */
/** @typedef {import("../worker.js").WorkerApi} WorkerApi */

/**
 * One message of a job: an event of the protocol and the large arrays that belong to it, or how far the engine's own download is.
 * @typedef {{ event: JobEvent | { type: "progress", progress: import("../p-of-x.js").Progress }, arrays?: Record<string, Float32Array | Uint8Array> }} Message
 */

const CRASHES_ALLOWED = 3;
const CRASH_WINDOW_MS = 60_000;
/** A job that has started and says nothing for this long hangs: a GPU can do that, and no browser ends it. */
const SILENCE_MS = 30_000;
/** How long a stopped job may take to really stop before its worker is replaced. */
const STOP_MS = 5_000;

export class Host {
  /** Counts workers: a model opened in an older one must be opened again. */
  generation = 0;
  /** How the last worker ended, for the person who asks. */
  lastCrash = "";

  /** @type {URL} */ #base;
  /** @type {Promise<Comlink.Remote<WorkerApi>> | undefined} */ #remote;
  /** @type {Worker | undefined} */ #worker;
  /** @type {Set<Job>} */ #jobs = new Set();
  /** @type {number[]} */ #crashes = [];
  /** The panic hook's text; it arrives just before the trap. */ #panic = "";
  /** The commands that wait for the worker. @type {Set<{ onMessage?: (message: Message) => void }>} */ #waiters = new Set();
  /** Ends a start that nobody waits for any more. */ #starting = new AbortController();
  /** Whether the worker has started. */ #runs = false;

  /** @param {URL} base the folder that holds worker.js, playground_bg.wasm and models/ */
  constructor(base) {
    this.#base = base;
  }

  /**
   * Runs one command in the worker. Resolves with the last message; rejects with a PofxError.
   * @param {Command} command
   * @param {{ payload?: unknown, transfer?: Transferable[], signal?: AbortSignal,
   *           onMessage?: (message: Message) => void, onUnwanted?: (message: Message) => void }} [options] `onUnwanted`: told what a
   *   job that was stopped came to all the same
   * @returns {Promise<Message>}
   */
  async run(command, { payload, transfer = [], signal, onMessage, onUnwanted } = {}) {
    if (signal?.aborted) throw PofxError.aborted(signal);
    const remote = await this.#started({ signal, onMessage });
    if (signal?.aborted) throw PofxError.aborted(signal);
    const { port1, port2 } = new MessageChannel();
    const worker = this.#worker;
    // A job may outlive its worker by a message; the worker that came after must not pay for it.
    const job = new Job(port1, onMessage, (error) => worker === this.#worker && this.#crashed(error));
    this.#jobs.add(job);
    const stop = () => {
      job.abort(PofxError.aborted(signal));
      void job.ended.then((message) => message && onUnwanted?.(message));
    };
    signal?.addEventListener("abort", stop);
    const input = transfer.length > 0 ? Comlink.transfer(payload, transfer) : payload;
    remote.run(command, input, Comlink.transfer(port2, [port2])).catch((error) => {
      job.settle(PofxError.from(error));
    });
    // A stopped job counts as running until the worker confirms, so that a worker that hangs is noticed.
    void job.ended.then(() => this.#jobs.delete(job));
    try {
      return await job.result;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Ends the worker; the next command starts another. */
  stop() {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#remote = undefined;
    this.#runs = false;
    this.generation += 1;
  }

  /** @param {{ signal?: AbortSignal, onMessage?: (message: Message) => void }} waiter */
  async #started(waiter) {
    this.#waiters.add(waiter);
    this.#remote ??= this.#start();
    const remote = this.#remote;
    try {
      return await until(remote, waiter.signal);
    } catch (error) {
      this.#waiters.delete(waiter);
      // The next command starts it anew, unless others still wait.
      if (this.#remote === remote && this.#waiters.size === 0 && !this.#runs) {
        this.stop();
        this.#starting.abort();
      }
      throw error;
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  async #start() {
    const recent = this.#crashes.filter((at) => performance.now() - at < CRASH_WINDOW_MS);
    if (recent.length >= CRASHES_ALLOWED) {
      throw new PofxError(
        "engine-crashed",
        `The engine crashed ${recent.length} times within a minute (${this.lastCrash}) and was not started again; reload the page to try once more.`,
        { recoverable: false },
      );
    }
    const worker = this.#make();
    this.#worker = worker;
    this.#panic = "";
    const failed = new Promise((_, reject) => this.#watch(worker, reject));
    /** @type {Comlink.Remote<WorkerApi>} */
    const remote = Comlink.wrap(worker);
    const life = crypto.randomUUID?.();
    const { signal } = (this.#starting = new AbortController());
    const onProgress = (/** @type {import("../p-of-x.js").Progress} */ progress) => {
      for (const { onMessage } of this.#waiters) onMessage?.({ event: { type: "progress", progress } });
    };
    const engine = moduleAt(new URL("playground_bg.wasm", this.#base)).compiled({ signal, onProgress });
    const started = engine.then((module) => remote.start(module, this.#base.href, BUILD_ID, life));
    const ready = started.catch((cause) => Promise.reject(forbidden(cause) ?? cause));
    const outcome = await Promise.race([ready, failed]);
    if (outcome !== "other build") {
      if (life && outcome === "started with its lock") this.#outlive(worker, life);
      this.#runs = true;
      return remote;
    }
    throw otherVersion();
  }

  #make() {
    try {
      return startWorker("worker.js", this.#base, "p-of-x engine");
    } catch (cause) {
      // WebKit, where a policy forbids it; the others send an event.
      throw notStarted(cause);
    }
  }

  /** @param {Worker} worker @param {(error: PofxError) => void} failed */
  #watch(worker, failed) {
    const crash = (/** @type {string} */ text) => {
      if (worker !== this.#worker) return;
      const error = new PofxError("engine-crashed", `The engine crashed and was replaced: ${firstLine(this.#panic || text)}.`);
      this.#crashed(error);
      failed(error);
    };
    worker.addEventListener("message", ({ data }) => {
      if (typeof data?.panic === "string") this.#panic = data.panic;
      if (typeof data?.crash === "string") crash(data.crash);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      // Without a message no line of it ran.
      if (event.message) crash(event.message);
      else failed(notStarted());
    });
  }

  /**
   * No event tells that a browser has ended a worker, but the lock that it held for life is free then.
   * @param {Worker} worker @param {string} life
   */
  #outlive(worker, life) {
    const ended = () => worker === this.#worker && this.#crashed(new PofxError("engine-crashed", "The engine was ended by the browser and was replaced."));
    // A frame without an origin has no locks; there a job that is silent for long tells the same.
    navigator.locks?.request(life, ended).catch(() => {});
  }

  /** @param {PofxError} error */
  #crashed(error) {
    this.lastCrash = firstLine(this.#panic || error.message);
    this.#crashes.push(performance.now());
    const jobs = [...this.#jobs];
    this.#jobs.clear();
    this.stop();
    for (const job of jobs) job.settle(error);
  }
}

/** One command on its way: settles exactly once, whatever the worker does. */
class Job {
  /** @type {(message: Message) => void} */ #resolve = () => {};
  /** @type {(error: PofxError) => void} */ #reject = () => {};
  /** @type {(message?: Message) => void} */ #end = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {MessagePort} */ #port;
  /** @type {(error: PofxError) => void} */ #crashed;
  /** Whether the engine works on it: a job that waits its turn or downloads may be silent. */ #started = false;

  /** @type {Promise<Message>} */
  result = new Promise((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  /** When the worker has let go of it, with what came of it. @type {Promise<Message | undefined>} */
  ended = new Promise((/** @type {(message?: Message) => void} */ resolve) => {
    this.#end = resolve;
  });

  /**
   * @param {MessagePort} port
   * @param {((message: Message) => void) | undefined} onMessage
   * @param {(error: PofxError) => void} crashed told when the worker cannot be used any more
   */
  constructor(port, onMessage, crashed) {
    this.#port = port;
    this.#crashed = crashed;
    port.onmessage = ({ data }) => {
      const message = /** @type {Message} */ (data);
      const { event } = message;
      if (event.type === "done") return this.settle(message);
      if (event.type === "error") return this.#fail(failure(event));
      this.#started ||= event.type === "started";
      this.#wait(SILENCE_MS);
      if (event.type !== "started") onMessage?.(message);
    };
  }

  /** Answers the caller at once and tells the worker. @param {PofxError} reason */
  abort(reason) {
    this.#port.postMessage("abort");
    this.#reject(reason);
    this.#wait(STOP_MS);
  }

  /** @param {Message | PofxError} outcome */
  settle(outcome) {
    clearTimeout(this.#timer);
    this.#port.close();
    if (outcome instanceof PofxError) {
      this.#reject(outcome);
      return this.#end();
    }
    this.#resolve(outcome);
    this.#end(outcome);
  }

  /** A trap that the worker could still report is a crash like any other. @param {PofxError} error */
  #fail(error) {
    this.settle(error);
    if (error.code === "engine-crashed") this.#crashed(error);
  }

  /** @param {number} ms */
  #wait(ms) {
    clearTimeout(this.#timer);
    if (!this.#started) return;
    this.#timer = setTimeout(() => {
      const seconds = Math.round(ms / 1000);
      this.#crashed(new PofxError("engine-crashed", `The engine did not answer for ${seconds} s and was replaced.`));
    }, ms);
  }
}

/** @param {Extract<JobEvent, { type: "error" }>} event */
function failure({ code, message, recoverable }) {
  return new PofxError(/** @type {import("./errors.js").Code} */ (code), message, { recoverable });
}

/** @param {unknown} [cause] */
function notStarted(cause) {
  return new PofxError("network", `The engine's worker did not start: its file did not arrive, ${orForbidden("worker-src")}.`, { cause });
}
