// The recipe of samples, as it stands in a PNG: what has to be said to draw them again. What a file says is checked before it is used.

import { fromBase64, toBase64 } from "../base64.js";
import { PngError, readTexts } from "./png.js";

/** The keyword of the text in a PNG. */
export const KEYWORD = "p-of-x";
const VERSION = 1;
const MOST_CONTROLS = 64;
const MOST_NUMBERS = 1024;
const MOST_COUNT = 64;
/** Pictures of a model's size, and small files, are in a recipe; a photograph is not. */
const MOST_SIDE = 64;
const MOST_BYTES = 64_000;
const FILE_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"];

/** @typedef {import("../ui/picture.js").Pixels} Pixels */
/** A picture file with its bytes as base64. @typedef {{ type: string, base64: string }} Packed */
/** What a control may be set to in a recipe. @typedef {number | string | boolean | null | Float32Array | Pixels | File} Value */

/**
 * `sha256`: of the weights, null where they are a person's own; `index`: which of the pictures a file shows, null for all;
 * `left_out`: controls whose pictures are too large for a recipe.
 * @typedef {{ version: number, model: string, sha256: string | null, seed: string, n: number, controls: Record<string, Value>,
 *   index: number | null, left_out: string[] }} Recipe
 */

/** The same values with small files read, as `toRecipe` takes them. @param {Record<string, unknown>} values */
export async function withFiles(values) {
  const read = async (/** @type {[string, unknown]} */ [name, value]) => {
    if (!(value instanceof Blob) || value.size > MOST_BYTES || !FILE_TYPES.includes(value.type)) return [name, value];
    return [name, { type: value.type, base64: toBase64(new Uint8Array(await value.arrayBuffer())) }];
  };
  return Object.fromEntries(await Promise.all(Object.entries(values).map(read)));
}

/**
 * @param {{ model: string, sha256: string | null, seed: string | number, n: number, values: Record<string, unknown>, index?: number }} said
 * @returns {Recipe}
 */
export function toRecipe({ model, sha256, seed, n, values, index }) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  const kept = given.filter(([, value]) => isValue(value));
  return {
    version: VERSION,
    model,
    sha256,
    seed: String(seed),
    n,
    controls: /** @type {Record<string, Value>} */ (Object.fromEntries(kept)),
    index: index ?? null,
    left_out: given.filter(([, value]) => !isValue(value)).map(([name]) => name),
  };
}

/** As ASCII, which every reader of PNG texts takes. @param {Recipe} recipe */
export function formatRecipe(recipe) {
  const text = JSON.stringify(recipe, (_, value) => {
    if (value instanceof Float32Array) return [...value];
    if (!isPicture(value)) return value;
    const { width, height, channels, data } = value;
    return { width, height, channels, base64: toBase64(/** @type {Uint8Array} */ (data)) };
  });
  return text.replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * The recipe in a PNG; undefined where it has none.
 * @param {Uint8Array} bytes
 * @returns {Recipe | undefined} throws a `PngError`, and nothing else, about a file that makes no sense
 */
export function readRecipe(bytes) {
  const text = readTexts(bytes).get(KEYWORD);
  return text === undefined ? undefined : parseRecipe(text);
}

/** @param {string} text @returns {Recipe} */
export function parseRecipe(text) {
  const said = fromJson(text);
  check(said.version === VERSION, "is of a version that this page does not know");
  check(typeof said.model === "string" && /^[a-z0-9][a-z0-9-]{0,63}$/.test(said.model), "names no model");
  check(said.sha256 === null || (typeof said.sha256 === "string" && /^[0-9a-f]{64}$/.test(said.sha256)), "names no weights");
  check(typeof said.seed === "string" && /^\d{1,16}$/.test(said.seed) && Number.isSafeInteger(Number(said.seed)), "has no seed");
  check(isCount(said.n) && said.n >= 1, "has no count of pictures");
  check(said.index === null || (isCount(said.index) && said.index < said.n), "shows a picture that it does not have");
  check(Array.isArray(said.left_out) && said.left_out.length <= MOST_CONTROLS && said.left_out.every(isName), "is damaged");
  const { version, model, sha256, seed, n, index, left_out } = said;
  return { version, model, sha256, seed, n, controls: controlsOf(said.controls), index, left_out };
}

/** @param {string} text @returns {Record<string, any>} */
function fromJson(text) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    throw new PngError("The recipe in this picture is damaged.");
  }
  check(typeof said === "object" && said !== null && !Array.isArray(said), "is damaged");
  return said;
}

/** @param {unknown} said */
function controlsOf(said) {
  check(typeof said === "object" && said !== null && !Array.isArray(said), "has no controls");
  const entries = Object.entries(/** @type {object} */ (said));
  check(entries.length <= MOST_CONTROLS, "has too many controls");
  const values = entries.map(([name, value]) => {
    check(isName(name), "has a control without a name");
    const list = Array.isArray(value) && value.length <= MOST_NUMBERS && value.every(Number.isFinite);
    const known = list ? Float32Array.from(value) : isPlain(value) ? value : pictureOf(value, name);
    check(known !== undefined, "has a control of no sense");
    return [name, known];
  });
  return Object.fromEntries(values);
}

/** The picture or the file that is said; undefined where it is neither. @param {unknown} said @param {string} name */
function pictureOf(said, name) {
  const { type, width, height, channels, base64 } = /** @type {Record<string, any>} */ (said);
  if (typeof base64 !== "string" || base64.length > (4 / 3) * MOST_BYTES + 4) return undefined;
  const data = fromBase64(base64);
  if (!data) return undefined;
  if (FILE_TYPES.includes(type)) return new File([data], name, { type });
  const picture = { data, width, height, channels };
  return isPicture(picture) ? picture : undefined;
}

/** @param {any} value @returns {value is Pixels} */
function isPicture(value) {
  if (typeof value !== "object" || !(value?.data instanceof Uint8Array) || value.max !== undefined) return false;
  const { data, width, height, channels } = value;
  const isSide = (/** @type {unknown} */ side) => Number.isInteger(side) && Number(side) >= 1 && Number(side) <= MOST_SIDE;
  return isSide(width) && isSide(height) && (channels === 1 || channels === 3) && data.length === width * height * channels;
}

/** @param {any} value @returns {value is Packed} */
function isPacked(value) {
  return typeof value?.base64 === "string" && FILE_TYPES.includes(value.type);
}

/** Names of controls are words; those of the language's own are none. @param {unknown} name */
function isName(name) {
  return typeof name === "string" && /^[a-z][a-z0-9_]{0,31}$/.test(name) && !(name in Object.prototype);
}

/** @param {unknown} value */
function isCount(value) {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_COUNT;
}

/** @param {unknown} value */
function isPlain(value) {
  if (typeof value === "string") return value.length <= 64;
  return value === null || typeof value === "boolean" || Number.isFinite(value);
}

/** @param {unknown} value */
function isValue(value) {
  return isPlain(value) || isPicture(value) || isPacked(value) || (value instanceof Float32Array && value.length <= MOST_NUMBERS);
}

/** @param {boolean} holds @param {string} what @returns {asserts holds} */
function check(holds, what) {
  if (!holds) throw new PngError(`The recipe in this picture ${what}.`);
}
