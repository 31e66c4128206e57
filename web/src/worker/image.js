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
  const size = await headerSize(blob);
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

/** Formats by their first bytes. @type {{ magic: number[], at?: number, size: (v: DataView) => Size | undefined }[]} */
const FORMATS = [
  { magic: [0x89, 0x50, 0x4e, 0x47], size: (v) => ({ width: v.getUint32(16), height: v.getUint32(20) }) },
  { magic: [0xff, 0xd8, 0xff], size: jpegSize },
  { magic: [0x47, 0x49, 0x46, 0x38], size: (v) => ({ width: v.getUint16(6, true), height: v.getUint16(8, true) }) },
  { magic: [0x57, 0x45, 0x42, 0x50], at: 8, size: webpSize },
  {
    magic: [0x42, 0x4d],
    size: (v) => ({ width: Math.abs(v.getInt32(18, true)), height: Math.abs(v.getInt32(22, true)) }),
  },
];

/** @param {Blob} blob @returns {Promise<Size | undefined>} */
async function headerSize(blob) {
  const head = new DataView(await blob.slice(0, HEADER_BYTES).arrayBuffer());
  const format = FORMATS.find(({ magic, at = 0 }) => {
    return head.byteLength >= at + magic.length && magic.every((byte, i) => head.getUint8(at + i) === byte);
  });
  const view = format?.size === jpegSize ? new DataView(await blob.slice(0, JPEG_HEADER_BYTES).arrayBuffer()) : head;
  try {
    return format?.size(view);
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
