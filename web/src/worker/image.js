// From an image file to pixels. The size is read from the file's first bytes, before anything is decoded: decoding a
// 30,000 x 30,000 picture would take gigabytes, whatever the file's own size is.

import { PofxError } from "../engine/errors.js";
import { kindOf } from "../engine/file-kind.js";
import { checkSize } from "../engine/image.js";

const UNREADABLE = "is not a picture this page can read (PNG, JPEG, GIF, WebP or BMP)";
/** A photograph of 4096 x 4096 pixels is smaller, whatever its format. */
const LARGEST_FILE = 128 << 20;
/** Where most formats say their size; a JPEG may carry a preview and colour profiles before it. */
const HEADER_BYTES = 1 << 16;
const JPEG_HEADER_BYTES = 1 << 20;

/**
 * @param {Blob} blob
 * @returns {Promise<{ rgba: Uint8Array, width: number, height: number }>}
 */
export async function readImage(blob) {
  const name = blob instanceof File && blob.name ? `“${blob.name.slice(0, 80)}”` : "This file";
  const kind = await kindOf(blob);
  if (kind.kind === "empty") throw new PofxError("bad-image", `${name} is empty.`);
  if (kind.kind === "other") throw new PofxError("bad-image", `${name} ${UNREADABLE}: it is ${kind.name}.`);
  if (blob.size > LARGEST_FILE) throw new PofxError("bad-image", `${name} has ${Math.ceil(blob.size / 1e6).toLocaleString("en")} MB; pictures of up to ${Math.floor(LARGEST_FILE / 1e6)} MB are read.`);
  const size = kind.kind === "picture" ? await headerSize(blob, kind.format) : undefined;
  if (!size) throw new PofxError("bad-image", `${name} ${UNREADABLE}.`);
  checkSize(size.width, size.height);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch (cause) {
    throw new PofxError("bad-image", `${name} looks like a picture, but it is damaged or cut off.`, { cause });
  }
  try {
    const { width, height } = bitmap;
    checkSize(width, height);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!context) throw new PofxError("bad-image", "This browser gave no canvas to read the picture with.");
    context.drawImage(bitmap, 0, 0);
    return { rgba: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer), width, height };
  } finally {
    bitmap.close();
  }
}

/** @typedef {{ width: number, height: number }} Size */

/** Where each format says its size. @type {Record<import("../engine/file-kind.js").Format, (v: DataView) => Size | undefined>} */
const SIZES = {
  png: (v) => ({ width: v.getUint32(16), height: v.getUint32(20) }),
  jpeg: jpegSize,
  gif: (v) => ({ width: v.getUint16(6, true), height: v.getUint16(8, true) }),
  webp: webpSize,
  bmp: (v) => ({ width: Math.abs(v.getInt32(18, true)), height: Math.abs(v.getInt32(22, true)) }),
};

/** @param {Blob} blob @param {keyof typeof SIZES} format @returns {Promise<Size | undefined>} */
async function headerSize(blob, format) {
  const view = new DataView(await blob.slice(0, format === "jpeg" ? JPEG_HEADER_BYTES : HEADER_BYTES).arrayBuffer());
  try {
    return SIZES[format](view);
  } catch {
    return undefined; // the header ends too early
  }
}

/** The first start-of-frame segment (ITU T.81, table B.1). @param {DataView} v @returns {Size | undefined} */
function jpegSize(v) {
  for (let at = 2; at + 9 < v.byteLength; ) {
    const marker = v.getUint16(at);
    const isFrame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (isFrame) return { width: v.getUint16(at + 7), height: v.getUint16(at + 5) };
    if (marker < 0xff00) return undefined;
    at += 2 + v.getUint16(at + 2);
  }
  return undefined;
}

/** The three kinds of WebP (RFC 9649, section 2). @param {DataView} v @returns {Size | undefined} */
function webpSize(v) {
  const kind = String.fromCharCode(...[12, 13, 14, 15].map((at) => v.getUint8(at)));
  const uint24 = (/** @type {number} */ at) => v.getUint16(at, true) | (v.getUint8(at + 2) << 16);
  if (kind === "VP8X") return { width: 1 + uint24(24), height: 1 + uint24(27) };
  if (kind === "VP8 ") return { width: v.getUint16(26, true) & 0x3fff, height: v.getUint16(28, true) & 0x3fff };
  if (kind !== "VP8L") return undefined;
  const bits = v.getUint32(21, true);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
}
