// The state of the page in its address: #v=1&room=ask&model=...&seed=7&c.steps=20&x=... The hash never reaches a server.

import { fromBase64, toBase64 } from "../base64.js";

const VERSION = "1";
const PIXELS = 784;
/** The sides of pictures that a link can have, and how many of them at once are drawn for one. */
const MOST_SIDE = 64;
const MOST_COUNT = 64;
/** How many are drawn where nobody says. */
export const USUAL_COUNT = 16;
/** A link with a picture of 64 x 64 colours is shorter. */
const LONGEST = 20_000;

/** @typedef {"generate" | "ask"} Room */
/** @type {Room[]} */
export const ROOMS = ["generate", "ask"];

/** @typedef {import("./picture.js").Pixels} Pixels */

/**
 * `values`: of controls, by name; a link has no pictures and masks for them. `n`: how many are drawn. The picture that is asked about
 * is `pixels` where it is scored in black and white, 784 values of 0 or 255, and else `picture`, with bytes as levels; `labels`, by
 * name, and `estimator` say how.
 * @typedef {{ room?: Room, model?: string, seed?: string, n?: number, values?: Record<string, any>, pixels?: Uint8Array, picture?: Pixels,
 *   labels?: Record<string, any>, estimator?: string }} LinkState
 */

/**
 * What a hash says; anything that does not make sense is left out. Values of controls are checked where they are used.
 * @param {string} hash
 * @returns {LinkState}
 */
export function parseHash(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, "").slice(0, LONGEST));
  if (said.has("v") && said.get("v") !== VERSION) return {};
  const room = ROOMS.find((room) => room === said.get("room"));
  return {
    room,
    model: said.get("model") ?? undefined,
    seed: said.get("seed") ?? undefined,
    n: countOf(said.get("n") ?? ""),
    values: valuesOf(said, "c."),
    pixels: pixelsOf(said.get("x") ?? ""),
    picture: pictureOf(said.get("p") ?? ""),
    labels: valuesOf(said, "y."),
    estimator: said.get("by") ?? undefined,
  };
}

/** @param {LinkState} state */
export function formatHash({ room, model, seed, n, values = {}, pixels, picture, labels = {}, estimator }) {
  const said = new URLSearchParams({ v: VERSION });
  if (room !== undefined) said.set("room", room);
  if (model !== undefined) said.set("model", model);
  if (seed !== undefined) said.set("seed", seed);
  if (n !== undefined) said.set("n", String(n));
  const given = [...named("c.", values), ...named("y.", labels)];
  for (const [name, value] of given) {
    const text = toText(value);
    if (text !== undefined) said.set(name, text);
  }
  if (estimator !== undefined) said.set("by", estimator);
  if (pixels) said.set("x", textOf(pixels));
  if (picture) said.set("p", `${picture.width}.${picture.height}.${picture.channels}.${toAddress(Uint8Array.from(picture.data))}`);
  return `#${said}`;
}

/** @param {string} prefix @param {Record<string, any>} values @returns {[string, any][]} */
function named(prefix, values) {
  return Object.entries(values).map(([name, value]) => [prefix + name, value]);
}

/** @param {URLSearchParams} said @param {string} prefix */
function valuesOf(said, prefix) {
  const given = [...said].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(given.map(([name, text]) => [name.slice(prefix.length), fromText(text)]));
}

/** @param {string} text */
function countOf(text) {
  return /^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= MOST_COUNT ? Number(text) : undefined;
}

/** Numbers, words, switches, "any" for a label that is left open, and latents with two decimals. @param {unknown} value */
function toText(value) {
  if (value === null) return "any";
  if (value instanceof Float32Array) return value.length <= 64 ? `[${Array.from(value, (v) => v.toFixed(2)).join(" ")}]` : undefined;
  return typeof value === "object" || value === undefined ? undefined : String(value);
}

/** @param {string} text */
function fromText(text) {
  if (text === "any") return null;
  if (text === "true" || text === "false") return text === "true";
  if (/^\[.*\]$/.test(text)) return Float32Array.from(text.slice(1, -1).split(" "), Number);
  // A class is named by a word, also where the word is a digit; a control that takes a number says so on its card.
  return text;
}

/** In the alphabet that addresses allow. @param {Uint8Array<ArrayBuffer>} bytes */
function toAddress(bytes) {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
function fromAddress(text) {
  return fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}

/** One bit a pixel. @param {Uint8Array} pixels */
function textOf(pixels) {
  const bytes = new Uint8Array(PIXELS / 8);
  pixels.forEach((value, i) => {
    if (value > 127) bytes[i >> 3] |= 0x80 >> (i & 7);
  });
  return toAddress(bytes);
}

/** @param {string} text */
function pixelsOf(text) {
  const bytes = fromAddress(text);
  if (bytes?.length !== PIXELS / 8) return undefined;
  return Uint8Array.from({ length: PIXELS }, (_, i) => (bytes[i >> 3] & (0x80 >> (i & 7)) ? 255 : 0));
}

/** Width, height, channels and levels. @param {string} text @returns {Pixels | undefined} */
function pictureOf(text) {
  const [, ...sizes] = /^(\d{1,2})\.(\d{1,2})\.([13])\./.exec(text) ?? [];
  const [width, height, channels] = sizes.map(Number);
  if (!(width >= 1 && width <= MOST_SIDE && height >= 1 && height <= MOST_SIDE)) return undefined;
  const data = fromAddress(text.slice(text.lastIndexOf(".") + 1));
  return data?.length === width * height * channels ? { data, width, height, channels } : undefined;
}
