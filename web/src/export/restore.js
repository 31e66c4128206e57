// A dropped picture that may have been saved here.

import { readRecipe } from "./recipe.js";

/** What we save is far smaller. */
const MOST_BYTES = 16e6;

/**
 * Whether a recipe is of other weights than those that its model has here; unknown where the card can't be had.
 * @param {import("./recipe.js").Recipe} recipe
 */
export async function isOfOtherWeights({ model, sha256 }) {
  try {
    const response = await fetch(new URL(`models/${model}/card.json`, import.meta.url));
    return response.ok && (await response.json()).weights.sha256 !== sha256;
  } catch {
    return false;
  }
}

/** @param {File} file a PNG @returns {Promise<import("./recipe.js").Recipe | undefined>} */
export async function recipeIn(file) {
  return file.size > MOST_BYTES ? undefined : readRecipe(new Uint8Array(await file.arrayBuffer()));
}
