// Pictures on their way to the engine: whatever a caller has becomes a Blob (decoded in the worker) or pixels.

import { PofxError } from "./errors.js";

/**
 * Levels, 0 to 255, row by row: grey, where 255 is ink as in MNIST, or RGB with channels last.
 * @typedef {{ data: Uint8Array | number[], width: number, height: number }} Levels
 */

/**
 * What `logProb` accepts.
 * @typedef {Blob | ImageData | ImageBitmap | HTMLCanvasElement | HTMLImageElement | OffscreenCanvas | Levels} ImageInput
 */

/** What goes to the worker. @typedef {Blob | { rgba: Uint8Array, width: number, height: number }} Payload */

/** Wider or higher pictures are refused before they are decoded. */
export const LARGEST_SIDE = 4096;

/**
 * @param {ImageInput} image
 * @returns {Payload}
 */
export function toPayload(image) {
  if (image instanceof Blob) return image;
  return isPixels(image) ? fromPixels(image) : fromDrawable(image);
}

/** @param {ImageInput} image @returns {image is ImageData | Levels} */
function isPixels(image) {
  return typeof image === "object" && image !== null && "data" in image;
}

/**
 * Refuses sizes that nothing sensible can be done with.
 * @param {number} width
 * @param {number} height
 */
export function checkSize(width, height) {
  if (!(width > 0 && height > 0)) {
    throw new PofxError("bad-image", `The picture is ${width} × ${height} pixels: there is nothing in it.`);
  }
  if (width > LARGEST_SIDE || height > LARGEST_SIDE) {
    throw new PofxError(
      "bad-image",
      `The picture is ${width} × ${height} pixels; at most ${LARGEST_SIDE} × ${LARGEST_SIDE} can be read.`,
    );
  }
}

/** @param {ImageData | Levels} image */
function fromPixels({ data, width, height }) {
  checkSize(width, height);
  const pixels = width * height;
  if (data.length === pixels * 4) return { rgba: Uint8Array.from(data), width, height };
  const channels = data.length / pixels;
  if (channels !== 1 && channels !== 3) {
    throw new PofxError("bad-image", `A picture of ${width} × ${height} pixels does not have ${data.length} values.`);
  }
  const rgba = new Uint8Array(pixels * 4);
  for (let i = 0; i < pixels; i += 1) {
    const level = (/** @type {number} */ c) => data[i * channels + Math.min(c, channels - 1)];
    rgba.set([level(0), level(1), level(2), 255], i * 4);
  }
  return { rgba, width, height };
}

/** @param {Exclude<ImageInput, Blob | ImageData | Levels>} image */
function fromDrawable(image) {
  const width = "naturalWidth" in image ? image.naturalWidth : image.width;
  const height = "naturalHeight" in image ? image.naturalHeight : image.height;
  checkSize(width, height);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new PofxError("bad-image", "This browser gave no canvas to read the picture with.");
  context.drawImage(image, 0, 0);
  return { rgba: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer), width, height };
}
