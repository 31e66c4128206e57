// What was drawn lately, in this browser's IndexedDB.

import { formatRecipe, toRecipe } from "../export/recipe.js";
import { openStore } from "./store.js";

/** @typedef {import("./picture.js").Pixels} Pixels */
/**
 * `values` are those of controls, pictures and all; `pictures` the first ones; `at` milliseconds since 1970.
 * @typedef {{ key: string, at: number, model: string, seed: string, n: number, values: Record<string, any>, pictures: Pixels[] }} Result
 */

/** The database of results. */
export const RESULTS = "p-of-x-recent";
const run = openStore(RESULTS, "results", "key");
/** So many are kept. */
const MOST = 24;

/** The latest first. @returns {Promise<Result[]>} */
export async function results() {
  const all = await run("readonly", (store) => store.getAll());
  return /** @type {Result[]} */ (all).toSorted((a, b) => b.at - a.at);
}

/** Keeps a result, or that it came again, and forgets the oldest. @param {Omit<Result, "key" | "at">} result */
export async function keep(result) {
  const { model, seed, n, values } = result;
  const at = Date.now();
  const recipe = toRecipe({ model, sha256: null, seed, n, values });
  // What was drawn from a file is told apart by its time: it is not in this recipe.
  const key = formatRecipe(recipe) + (recipe.left_out.length > 0 ? at : "");
  await run("readwrite", (store) => store.put({ ...result, key, at }));
  for (const { key } of (await results()).slice(MOST)) await forget(key);
}

/** @param {string} key */
export async function forget(key) {
  await run("readwrite", (store) => store.delete(key));
}

export async function forgetAll() {
  await run("readwrite", (store) => store.clear());
}

/** Keeps results again that were forgotten. @param {Result[]} forgotten */
export async function putBack(forgotten) {
  for (const result of forgotten) await run("readwrite", (store) => store.put(result));
}

/** Bytes of results, about. @param {Result[]} all */
export function sizeOf(all) {
  const given = (/** @type {any} */ value) => value?.size ?? value?.data?.length ?? value?.byteLength ?? 0;
  const one = (/** @type {Result} */ { key, values, pictures }) => [...Object.values(values).map(given), ...pictures.map(given), key.length];
  return all.flatMap(one).reduce((sum, bytes) => sum + bytes, 0);
}
