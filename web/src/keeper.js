// A worker that brings a model's files to this device without an engine: the file system's quick handles are only for workers.

import { PofxError } from "./engine/errors.js";
import { keepPicture } from "./worker/cache.js";
import { openModelFiles } from "./worker/files.js";

/**
 * What it says: how far it is, and how it ended.
 * @typedef {{ done: number, total: number } | { kept: true } | { error: string }} Word
 */

const controller = new AbortController();
const job = {
  signal: controller.signal,
  aborted: false,
  /** @param {import("./protocol.d.ts").Event} event */
  emit(event) {
    if (event.type === "progress") say({ done: event.progress.done, total: event.progress.total });
  },
};

self.addEventListener("message", async ({ data: folder }) => {
  try {
    const { card } = await openModelFiles(new URL(folder), undefined, job, sha256);
    const { sheet } = JSON.parse(card);
    if (sheet) await keepPicture(new URL(sheet, folder));
    say({ kept: true });
  } catch (thrown) {
    say({ error: PofxError.from(thrown, "network").message });
  }
});

/** @param {Word} word */
function say(word) {
  self.postMessage(word);
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
