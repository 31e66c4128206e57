// The compiled engine: downloaded with progress, held to the checksum that the page was built with, compiled while it comes, and
// shared by every worker of the page.

import { PofxError, orForbidden } from "./errors.js";

/** @typedef {import("../p-of-x.js").Progress} Progress */

/** Who waits for it. @typedef {{ signal?: AbortSignal, onProgress?: (progress: Progress) => void }} Waiter */

/** By their addresses. @type {Map<string, EngineModule>} */
const modules = new Map();

/** @param {URL} url */
export function moduleAt(url) {
  const module = modules.get(url.href) ?? new EngineModule(url);
  modules.set(url.href, module);
  return module;
}

/** At most so often is it told how far the download is. */
const REPORT_MS = 50;

class EngineModule {
  /** @type {URL} */ #url;
  /** @type {Promise<WebAssembly.Module> | undefined} */ #module;
  /** @type {Set<Waiter>} */ #waiters = new Set();
  #download = new AbortController();

  /** @param {URL} url */
  constructor(url) {
    this.#url = url;
  }

  /** Made once. When all who wait for it have gone, the download ends. @param {Waiter} waiter @returns {Promise<WebAssembly.Module>} */
  async compiled(waiter) {
    this.#waiters.add(waiter);
    this.#module ??= this.#make();
    const module = this.#module;
    try {
      return await until(module, waiter.signal);
    } catch (error) {
      this.#waiters.delete(waiter);
      // The next one begins anew, unless others still wait.
      if (this.#module === module && this.#waiters.size === 0) {
        this.#module = undefined;
        this.#download.abort();
      }
      throw error;
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  async #make() {
    const { signal } = (this.#download = new AbortController());
    const response = await request(this.#url, signal);
    const counted = this.#count(response.clone());
    // Of a download that breaks off, both tell; the one that counts knows why.
    const whyFirst = (/** @type {PofxError} */ error) => (error.recoverable ? counted.then(() => Promise.reject(error)) : Promise.reject(error));
    const [module] = await Promise.all([compile(response).catch(whyFirst), counted]);
    return module;
  }

  /** Reads a copy of what comes: how far it is, and whether it is the engine of this page. @param {Response} copy */
  async #count(copy) {
    const bytes = new Uint8Array(ENGINE_BYTES);
    const started = performance.now();
    let [done, reported] = [0, -Infinity];
    try {
      for (const reader = /** @type {ReadableStream<Uint8Array>} */ (copy.body).getReader(); ; ) {
        const { done: ended, value } = await reader.read();
        if (ended) break;
        if (done + value.length > ENGINE_BYTES) throw otherVersion();
        bytes.set(value, done);
        done += value.length;
        const now = performance.now();
        if (now - reported < REPORT_MS && done < ENGINE_BYTES) continue;
        reported = now;
        const seconds_left = ((now - started) / 1000) * (ENGINE_BYTES / done - 1);
        for (const { onProgress } of this.#waiters) onProgress?.({ phase: "engine", done, total: ENGINE_BYTES, bytes: done, seconds_left });
      }
    } catch (cause) {
      if (cause instanceof PofxError) throw cause;
      throw new PofxError("network", `The download of the engine stopped after ${done} of ${ENGINE_BYTES} bytes.`, { cause });
    }
    if (done !== ENGINE_BYTES || ((await sha256(bytes)) ?? ENGINE_SHA256) !== ENGINE_SHA256) throw otherVersion();
  }
}

/**
 * What a promise comes to, or the error of the signal if that is first.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function until(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(PofxError.aborted(signal));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** @param {URL} url @param {AbortSignal} signal */
async function request(url, signal) {
  if (typeof WebAssembly !== "object") {
    throw new PofxError("no-wasm", "This browser has no WebAssembly, which the engine needs.", { recoverable: false });
  }
  let response;
  try {
    response = await fetch(url, { signal });
  } catch (cause) {
    throw new PofxError("network", `The engine could not be downloaded: the network did not answer, ${orForbidden("connect-src")}.`, { cause });
  }
  if (response.ok) return response;
  throw new PofxError("network", `The engine could not be downloaded: the server answered ${response.status}.`);
}

/** @param {Response} response */
async function compile(response) {
  try {
    // Streaming needs the right media type, which simple static servers do not always send.
    const streams = response.headers.get("content-type")?.startsWith("application/wasm");
    return await (streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer()));
  } catch (cause) {
    throw forbidden(cause) ?? new PofxError("no-wasm", `This browser could not compile the engine: ${firstLine(textOf(cause))}`, { cause });
  }
}

/** Nothing where a page has no cryptography: one that came without a secure connection. @param {Uint8Array<ArrayBuffer>} bytes */
async function sha256(bytes) {
  const digest = await crypto.subtle?.digest("SHA-256", bytes);
  return digest && Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What came is not what the page was built with. */
export function otherVersion() {
  return new PofxError("integrity", "The page and its engine are of two versions; reload the page.", { recoverable: false });
}

/** A policy against WebAssembly, in our words; some browsers find it when they compile, others when they start. @param {unknown} cause */
export function forbidden(cause) {
  if (!/content security policy|\bCSP\b/i.test(textOf(cause))) return undefined;
  const text = "The Content-Security-Policy of this page forbids WebAssembly: its script-src needs 'wasm-unsafe-eval'.";
  return new PofxError("no-wasm", text, { recoverable: false, cause });
}

/** @param {unknown} cause */
function textOf(cause) {
  return cause instanceof Error ? cause.message : String(cause);
}

/** @param {string} text */
export function firstLine(text) {
  return text.split("\n").slice(0, 2).join(" ").trim();
}
