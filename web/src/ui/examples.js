// Pictures to ask about without drawing: held-out test digits, and some that are no digits.

import { SIDE } from "./picture.js";

/** @typedef {{ pixels: import("./picture.js").Pixels, label: string }} Example */

/**
 * The first test digit of each class. Nothing if the file cannot be read: the page works without.
 * @param {URL} url a strip of ten pictures
 * @returns {Promise<Example[]>}
 */
export async function testDigits(url) {
  try {
    const response = await fetch(url);
    const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
    const context = new OffscreenCanvas(bitmap.width, SIDE).getContext("2d", { willReadFrequently: true });
    if (!context) return [];
    context.drawImage(bitmap, 0, 0);
    return Array.from({ length: 10 }, (_, digit) => {
      const { data } = context.getImageData(digit * SIDE, 0, SIDE, SIDE);
      const values = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => data[4 * i]);
      return { pixels: grey(values), label: `Test digit ${digit}` };
    });
  } catch {
    return [];
  }
}

/** @param {Uint8Array} data */
function grey(data) {
  return { data, width: SIDE, height: SIDE, channels: 1 };
}

/** From a test of (x, y) in [-1, 1]. @param {string} label @param {(x: number, y: number) => boolean} inside */
function shape(label, inside) {
  const at = (/** @type {number} */ i) => (i + 0.5 - SIDE / 2) / (SIDE / 2);
  const values = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => (inside(at(i % SIDE), at(Math.floor(i / SIDE))) ? 255 : 0));
  return { pixels: grey(values), label };
}

/** @returns {Example[]} */
export function notDigits() {
  const near = (/** @type {number} */ v, /** @type {number} */ width) => Math.abs(v) < width;
  return [
    shape("A heart", (x, y) => {
      const [u, v] = [x * 1.7, -y * 1.7 + 0.2];
      return (u * u + v * v - 1) ** 3 - u * u * v ** 3 <= 0;
    }),
    shape("A cross", (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.7 && (near(x - y, 0.13) || near(x + y, 0.13))),
    shape("Stripes", (x, y) => near(x, 0.7) && near(y, 0.7) && Math.floor((y + 1) * 7) % 2 === 0),
    shape("Nothing at all", () => false),
  ];
}
