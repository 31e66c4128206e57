// Pictures on their way to the engine: whatever a caller has becomes a Blob (decoded in the worker) or pixels.

import { PofxError } from "./errors.js";

/**
 * Grey values, 0 to 255, row by row; 255 is ink, as in MNIST.
 * @typedef {{ data: Uint8Array | number[], width: number, height: number }} Grey
 */

/**
 * What `logProb` accepts.
 * @typedef {Blob | ImageData | ImageBitmap | HTMLCanvasElement | HTMLImageElement | OffscreenCanvas | Grey} ImageInput
 */

/** What goes to the worker. @typedef {Blob | { rgba: Uint8Array, width: number, height: number }} Payload */

/** Wider or higher pictures are refused before they are decoded. */
export const LARGEST_SIDE = 4096;

/**
 * @param {ImageInput} image
 * @returns {Promise<{ payload: Payload, transfer: Transferable[] }>}
 */
export async function toPayload(image) {
  if (image instanceof Blob) return { payload: image, transfer: [] };
  const payload = isPixels(image) ? fromPixels(image) : fromDrawable(image);
  return { payload, transfer: [payload.rgba.buffer] };
}

/** @param {ImageInput} image @returns {image is ImageData | Grey} */
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

/** @param {ImageData | Grey} image */
function fromPixels({ data, width, height }) {
  checkSize(width, height);
  const pixels = width * height;
  if (data.length === pixels * 4) return { rgba: Uint8Array.from(data), width, height };
  if (data.length !== pixels) {
    throw new PofxError("bad-image", `A picture of ${width} × ${height} pixels does not have ${data.length} values.`);
  }
  const rgba = new Uint8Array(pixels * 4);
  for (let i = 0; i < pixels; i += 1) rgba.set([data[i], data[i], data[i], 255], i * 4);
  return { rgba, width, height };
}

/** @param {Exclude<ImageInput, Blob | ImageData | Grey>} image */
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
