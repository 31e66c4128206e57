// The worker that owns the engine. It does the input and output (files, pictures, ports); the numbers are Rust's.

import * as Comlink from "comlink";
import { openModelFiles } from "./worker/files.js";
import { Job } from "./worker/job.js";

/** @typedef {import("./protocol.d.ts").Command} Command */

/** wasm-bindgen's module: a file of its own, named by its content, on its way while the wasm is compiled. */
const loading = import("./playground.js");
/** @type {import("./playground.js").Session} */ let session;
/** @type {typeof import("./playground.js").sha256} */ let sha256;
/** @type {string} */ let base;

/** One engine, one job at a time: two that interleave would overwrite each other's inputs on the device. */
let queue = Promise.resolve();

const api = {
  /**
   * Makes the engine from the compiled module. A server that was updated meanwhile may have sent page, worker and module of two
   * versions, which would misread each other's memory: then nothing is made.
   * @param {WebAssembly.Module} module
   * @param {string} baseUrl the folder that holds models/
   * @param {string} build the page's BUILD_ID
   * @param {string} [life] name of a lock to hold for as long as this worker lives
   * @returns {Promise<"started" | "started with its lock" | "other build">}
   */
  async start(module, baseUrl, build, life) {
    if ([build, buildOf(module)].some((id) => id !== BUILD_ID)) return "other build";
    base = baseUrl;
    const engine = await loading;
    await engine.default({ module_or_path: module });
    sha256 = engine.sha256;
    // From now on a panic is posted as { panic } before the trap: after it, nothing of this instance can be asked.
    session = new engine.Session();
    return life && (await lockForLife(life)) ? "started with its lock" : "started";
  },

  /**
   * Runs a command; everything it has to say, the result included, goes through the port.
   * @param {Command} command
   * @param {any} payload
   * @param {MessagePort} port
   */
  async run(command, payload, port) {
    const job = new Job(port);
    try {
      const input = await prepare(command, payload, job);
      const turn = queue.then(async () => {
        if (job.aborted) return job.failAborted();
        job.emit({ type: "started" });
        await session.run(command, input, job);
      });
      queue = turn.catch(() => {});
      await turn;
    } catch (error) {
      job.fail(error);
    }
  },
};

/** Takes a lock that only the end of this worker opens; false where there are no locks. @param {string} name @returns {Promise<boolean>} */
function lockForLife(name) {
  return new Promise((taken) => {
    if (!navigator.locks) return taken(false);
    const held = () => (taken(true), new Promise(() => {}));
    navigator.locks.request(name, held).catch(() => taken(false));
  });
}

/** The BUILD_ID that a module was stamped with. @param {WebAssembly.Module} module */
function buildOf(module) {
  const [stamp] = WebAssembly.Module.customSections(module, "p-of-x build");
  return new TextDecoder().decode(stamp);
}

/**
 * What a command needs from outside: model files, pixels.
 * @param {Command} command
 * @param {any} payload
 * @param {Job} job
 */
async function prepare(command, payload, job) {
  switch (command.type) {
    case "open":
      return {
        ...(await openModelFiles(new URL(`models/${command.model}/`, base), payload.weights, job, sha256)),
        noWebgpu: command.backend === "cpu" ? undefined : (payload.noWebgpu ?? (await whyNoWebgpu())),
      };
    case "log-prob":
    case "posterior":
    case "sample":
    case "prepare":
    case "encode": {
      const read = Object.entries(payload ?? {}).map(async ([name, value]) => [name, await pixels(value)]);
      return Object.fromEntries(await Promise.all(read));
    }
    case "train":
    case "lab":
      return payload;
    default:
      return undefined;
  }
}

/** A picture that came as a file, read; anything else as it is. @param {unknown} value */
async function pixels(value) {
  return value instanceof Blob ? (await import("./worker/image.js")).readImage(value) : value;
}

/** Why this browser has no WebGPU, as a sentence; undefined: it has. */
async function whyNoWebgpu() {
  if (!self.isSecureContext) return "Browsers offer WebGPU only to pages that come over https or from this computer.";
  // Not in TypeScript's library yet.
  const { gpu } = /** @type {any} */ (navigator);
  if (!gpu) return "This browser has no WebGPU.";
  try {
    return (await gpu.requestAdapter()) ? undefined : "This browser has WebGPU, but no GPU that it would use.";
  } catch (error) {
    return `This browser refused WebGPU (${error instanceof Error ? error.message : error}).`;
  }
}

/** @typedef {typeof api} WorkerApi */

// A trap while a future is polled surfaces here, and no other thread would hear of it.
self.addEventListener("unhandledrejection", ({ reason }) => {
  self.postMessage({ crash: reason instanceof Error ? reason.message : String(reason) });
});

Comlink.expose(api);
