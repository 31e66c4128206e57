// The state of the page in its address: #v=1&room=ask&model=...&seed=7&c.steps=20&x=... The hash never reaches a server.

import { fromBase64, toBase64 } from "../base64.js";

const VERSION = "1";
const PIXELS = 784;

/** @typedef {"generate" | "ask"} Room */
/** @type {Room[]} */
export const ROOMS = ["generate", "ask"];

/**
 * @typedef {{ room?: Room, model?: string, seed?: string, values?: Record<string, any>, pixels?: Uint8Array }} LinkState
 * `values`: of controls, by name; a link has no pictures and masks. `pixels`: the scored picture of a model of black and white
 * pictures, 784 values of 0 or 255.
 */

/**
 * What a hash says; anything that does not make sense is left out. Values of controls are checked where they are used.
 * @param {string} hash
 * @returns {LinkState}
 */
export function parseHash(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, "").slice(0, 4096));
  if (said.has("v") && said.get("v") !== VERSION) return {};
  const given = [...said].filter(([name]) => name.startsWith("c."));
  const room = ROOMS.find((room) => room === said.get("room"));
  return {
    room,
    model: said.get("model") ?? undefined,
    seed: said.get("seed") ?? undefined,
    values: Object.fromEntries(given.map(([name, text]) => [name.slice(2), fromText(text)])),
    pixels: pixelsOf(said.get("x") ?? ""),
  };
}

/** @param {LinkState} state */
export function formatHash({ room, model, seed, values = {}, pixels }) {
  const said = new URLSearchParams({ v: VERSION });
  if (room !== undefined) said.set("room", room);
  if (model !== undefined) said.set("model", model);
  if (seed !== undefined) said.set("seed", seed);
  for (const [name, value] of Object.entries(values)) {
    const text = toText(value);
    if (text !== undefined) said.set(`c.${name}`, text);
  }
  if (pixels) said.set("x", textOf(pixels));
  return `#${said}`;
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

/** One bit a pixel, in the alphabet that addresses allow. @param {Uint8Array} pixels */
function textOf(pixels) {
  const bytes = new Uint8Array(PIXELS / 8);
  pixels.forEach((value, i) => {
    if (value > 127) bytes[i >> 3] |= 0x80 >> (i & 7);
  });
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
function pixelsOf(text) {
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (bytes?.length !== PIXELS / 8) return undefined;
  return Uint8Array.from({ length: PIXELS }, (_, i) => (bytes[i >> 3] & (0x80 >> (i & 7)) ? 255 : 0));
}
