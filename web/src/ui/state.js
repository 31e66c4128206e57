// The state of the page in its address: #v=1&seed=7&x=... The hash never reaches a server.

const VERSION = "1";
const PIXELS = 784;

/**
 * @typedef {{ seed?: string, pixels?: Uint8Array }} LinkState
 * `pixels`: the scored picture, 784 values of 0 or 255.
 */

/**
 * What a hash says; anything that does not make sense is left out.
 * @param {string} hash
 * @returns {LinkState}
 */
export function parseHash(hash) {
  const values = new URLSearchParams(hash.replace(/^#/, "").slice(0, 2048));
  if (values.has("v") && values.get("v") !== VERSION) return {};
  return { seed: values.get("seed") ?? undefined, pixels: fromBase64(values.get("x") ?? "") };
}

/** @param {LinkState} state */
export function formatHash({ seed, pixels }) {
  const values = new URLSearchParams({ v: VERSION });
  if (seed !== undefined) values.set("seed", seed);
  if (pixels) values.set("x", toBase64(pixels));
  return `#${values}`;
}

/** One bit a pixel, in the alphabet that addresses allow. @param {Uint8Array} pixels */
function toBase64(pixels) {
  const bytes = new Uint8Array(PIXELS / 8);
  pixels.forEach((value, i) => {
    if (value > 127) bytes[i >> 3] |= 0x80 >> (i & 7);
  });
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
function fromBase64(text) {
  let bytes;
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return undefined;
  }
  if (bytes.length !== PIXELS / 8) return undefined;
  return Uint8Array.from({ length: PIXELS }, (_, i) => (bytes.charCodeAt(i >> 3) & (0x80 >> (i & 7)) ? 255 : 0));
}
