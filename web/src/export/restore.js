// A dropped picture that may have been saved here.

import { readRecipe } from "./recipe.js";

/** What we save is far smaller. */
const MOST_BYTES = 16e6;

/** @param {File} file @returns {Promise<import("./recipe.js").Recipe | undefined>} */
export async function recipeIn(file) {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  if (file.size > MOST_BYTES || String.fromCharCode(...head.subarray(1)) !== "PNG") return undefined;
  return readRecipe(new Uint8Array(await file.arrayBuffer()));
}
