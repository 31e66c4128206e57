// What a file that was dropped, pasted or opened is to the page. Loaded with the first of them.

import { kindOf } from "../engine/file-kind.js";
import { PofxError } from "../engine/errors.js";
import { isOfOtherWeights, recipeIn } from "../export/restore.js";
import { modelOf } from "../export/weights.js";

/** @typedef {import("../export/recipe.js").Recipe} Recipe */

/**
 * Weights, which name their model where they were saved here or by `pofx train`; a picture that was saved here, whose recipe
 * brings it back, with what can't come out the same; or any other picture.
 * @typedef {{ weights: true, model: string | undefined } | { recipe: Recipe, but: string } | { picture: true }} Dropped
 */

/** @param {File} file @returns {Promise<Dropped>} throws a PofxError about a file that is of no use here */
export async function read(file) {
  const named = `“${file.name.slice(0, 80)}”`;
  /** @type {import("../engine/file-kind.js").Kind} */
  const what = await kindOf(file).catch(() => ({ kind: "unknown" }));
  if (what.kind === "empty") throw new PofxError("bad-image", `${named} is empty.`);
  if (what.kind === "other") throw new PofxError("bad-image", `${named} can't be used here, only pictures and .safetensors files: it is ${what.name}.`);
  if (what.kind === "weights" || (what.kind === "unknown" && /\.safetensors$/i.test(file.name))) return { weights: true, model: await modelOf(file) };
  if (what.kind !== "picture" || what.format !== "png") return { picture: true };
  const recipe = await recipeIn(file).catch((error) => Promise.reject(PofxError.from(error, "bad-image")));
  return recipe ? { recipe, but: await differences(recipe) } : { picture: true };
}

/** What of a recipe can't come out as it was, in sentences. @param {Recipe} recipe */
async function differences(recipe) {
  const missing = recipe.left_out.length > 0 ? ` It lacks the pictures that were given as ${recipe.left_out.join(", ")}.` : "";
  if (recipe.sha256 === null) return ` It was drawn with a person's own weights, not with the shipped ones.${missing}`;
  const other = await isOfOtherWeights(recipe);
  return `${other ? " It was drawn with other weights than the model has here, so today's pictures differ." : ""}${missing}`;
}
