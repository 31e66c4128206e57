// Errors as people and programs meet them: a code to branch on, and one plain sentence.

/**
 * What can go wrong.
 * @typedef {"aborted" | "bad-card" | "bad-image" | "bad-request" | "bad-seed" | "bad-weights" | "device-lost"
 *   | "diverged" | "engine-crashed" | "engine-failed" | "integrity" | "network" | "no-wasm" | "no-webgpu"
 *   | "not-a-number" | "out-of-memory" | "unknown-model"} Code
 */

/** An error of p-of-x. Its message is one plain sentence that can be shown as it is. */
export class PofxError extends Error {
  /** @type {Code} */
  code;

  /** Whether the same object can go on being used: the page works on, the previous model stays. */
  recoverable;

  /**
   * @param {Code} code
   * @param {string} message
   * @param {{ recoverable?: boolean, cause?: unknown }} [more]
   */
  constructor(code, message, { recoverable = true, cause } = {}) {
    super(message, { cause });
    this.code = code;
    this.recoverable = recoverable;
    // The name every AbortSignal user already tests for.
    this.name = code === "aborted" ? "AbortError" : "PofxError";
  }

  /**
   * Anything thrown, as a PofxError.
   * @param {unknown} thrown
   * @param {Code} [code] for what is not one already
   */
  static from(thrown, code = "engine-crashed") {
    if (thrown instanceof PofxError) return thrown;
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return new PofxError(code, text, { cause: thrown });
  }

  /** @param {AbortSignal} [signal] */
  static aborted(signal) {
    return new PofxError("aborted", "The job was stopped.", { cause: signal?.reason });
  }
}

const LARGEST_SEED = Number.MAX_SAFE_INTEGER;

/**
 * A seed from what a person typed or a program passed.
 * @param {unknown} value
 * @returns {number}
 */
export function parseSeed(value) {
  const text = String(value ?? "").trim();
  const seed = /^\d+$/.test(text) ? Number(text) : NaN;
  if (seed <= LARGEST_SEED) return seed;
  const shown = text === "" ? "an empty field" : `“${text.length > 24 ? `${text.slice(0, 24)}…` : text}”`;
  throw new PofxError("bad-seed", `A seed is a whole number from 0 to ${LARGEST_SEED}, and ${shown} is not.`);
}

/** A script is not told which of the two it was. @param {string} directive */
export function orForbidden(directive) {
  return `or the Content-Security-Policy of this page forbids it (${directive})`;
}
