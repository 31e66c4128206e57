// The models that are kept on this device: which, how large, and how they come and go.

import { startWorker } from "../engine/scripts.js";
import { Cache, forgetCard, keptCard } from "../worker/cache.js";
import { readFileCards } from "../worker/files.js";

/** @typedef {import("../card.d.ts").Listed} Listed */
/**
 * `bytes` are on the device, of `size`; `offline`: it is to be there after the first visit.
 * @typedef {{ id: string, title: string, size: number, offline: boolean, bytes: number, whole: boolean }} Stored
 */

/** The folder of the page. */
export const BASE = new URL("./", import.meta.url);
const FOLDER = new URL("models/", BASE);

/** What is on the device of each shipped model. @returns {Promise<Stored[]>} */
export async function storedModels() {
  const response = await fetch(new URL("models.json", FOLDER));
  if (!response.ok) throw new Error(`models.json: ${response.status}`);
  const sizes = await (await Cache.open()).sizes();
  return Promise.all(/** @type {Listed[]} */ (await response.json()).map((listed) => stored(listed, sizes)));
}

/** @param {Listed} listed @param {Map<string, number>} sizes @returns {Promise<Stored>} */
async function stored({ id, title, bytes: size, offline }, sizes) {
  const files = await filesOf(id);
  const bytes = files.reduce((sum, { sha256 }) => sum + (sizes.get(sha256) ?? 0), 0);
  const whole = files.length > 0 && files.every((file) => sizes.get(file.sha256) === file.bytes);
  return { id, title, size, offline, bytes, whole };
}

/** The files of a model that was opened or kept here. @param {string} id */
async function filesOf(id) {
  const card = await keptCard(new URL("card.json", folderOf(id)));
  if (!card) return [];
  const { weights, golden } = readFileCards(card);
  return [weights, golden];
}

/** @param {string} id */
function folderOf(id) {
  return new URL(`${id}/`, FOLDER);
}

/**
 * Brings a model to this device. Rejects with a sentence.
 * @param {string} id
 * @param {{ signal?: AbortSignal, progress?: (done: number, total: number) => void }} [options] what a stopped download has
 *   brought is where the next one goes on
 * @returns {Promise<void>}
 */
export function keep(id, { signal, progress } = {}) {
  const stopped = () => new Error("The download was stopped; the next one goes on from here.");
  // Between two models there is no worker to hear of it.
  if (signal?.aborted) return Promise.reject(stopped());
  const worker = startWorker("keeper.js", BASE, "p-of-x keeper");
  return new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if ("done" in data) return progress?.(data.done, data.total);
      if ("error" in data) reject(new Error(data.error));
      else resolve();
    };
    worker.onerror = () => reject(new Error("The download did not start; reload the page and try once more."));
    signal?.addEventListener("abort", () => reject(stopped()));
    worker.postMessage(folderOf(id).href);
  }).finally(() => worker.terminate());
}

/** Takes a model from this device. @param {string} id */
export async function clear(id) {
  const cache = await Cache.open();
  for (const { sha256 } of await filesOf(id)) await cache.remove(sha256);
  await forgetCard(folderOf(id));
}

/** Takes every model, and what is left of unfinished downloads, from this device. */
export async function clearAll() {
  const cache = await Cache.open();
  for (const name of (await cache.sizes()).keys()) await cache.remove(name);
  await forgetCard(FOLDER);
}
