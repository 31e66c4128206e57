// PNG files: written with text and with frames, and read for their text alone. RFC 2083, and the APNG extension of PNG 3.

/** Frames as they are written: RGBA, row by row. @typedef {{ rgba: Uint8Array, width: number, height: number }} Raster */

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** What a reader looks at: text stands near the front, and nobody needs more chunks or longer text. */
const MOST_CHUNKS = 4096;
const MOST_TEXT = 64 * 1024;

/** Why a file is no PNG that can be read. */
export class PngError extends Error {
  name = "PngError";
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** The checksum of a chunk. @param {Uint8Array} bytes */
export function crc32(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = CRC_TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return ~c >>> 0;
}

/**
 * A PNG; of several frames an animation that starts again at its end.
 * @param {Raster[]} frames of one size
 * @param {{ texts?: Record<string, string>, delay?: number }} [options] `texts` in ASCII, by keyword; `delay`: milliseconds a frame
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function encodePng(frames, { texts = {}, delay = 100 } = {}) {
  const { width, height } = frames[0];
  const parts = [SIGNATURE, chunk("IHDR", [...u32(width), ...u32(height), 8, 6, 0, 0, 0])];
  if (frames.length > 1) parts.push(chunk("acTL", [...u32(frames.length), ...u32(0)]));
  for (const [keyword, text] of Object.entries(texts)) parts.push(chunk("tEXt", latin1(`${keyword}\0${text}`)));
  let sequence = 0;
  for (const [i, frame] of frames.entries()) {
    const packed = await deflate(filtered(frame));
    if (frames.length > 1) {
      // The last frame stays a second and a half: it is what the film is about.
      const wait = i === frames.length - 1 ? 1500 : delay;
      const control = [...u32(sequence++), ...u32(width), ...u32(height), ...u32(0), ...u32(0), ...u16(wait), ...u16(1000), 0, 0];
      parts.push(chunk("fcTL", control));
    }
    parts.push(i === 0 ? chunk("IDAT", packed) : chunk("fdAT", joined([Uint8Array.from(u32(sequence++)), packed])));
  }
  parts.push(chunk("IEND", []));
  return joined(parts);
}

/**
 * The texts of a PNG by keyword, first ones first. Bounded whatever the file says: lengths are checked before anything is read.
 * @param {Uint8Array} bytes
 * @returns {Map<string, string>}
 */
export function readTexts(bytes) {
  if (bytes.length < 8 || SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new PngError("This is not a PNG file.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** @type {Map<string, string>} */ const texts = new Map();
  let at = 8;
  for (let count = 0; at + 12 <= bytes.length; count += 1) {
    if (count >= MOST_CHUNKS) throw new PngError("This PNG has more parts than a picture needs.");
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) throw new PngError("This PNG ends in the middle of a part.");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "IEND") break;
    if (type === "tEXt") {
      const body = bytes.subarray(at + 4, at + 8 + length);
      if (length > MOST_TEXT) throw new PngError("This PNG has a longer text than can be read.");
      if (crc32(body) !== view.getUint32(at + 8 + length)) throw new PngError("A text of this PNG is damaged.");
      const [keyword, text] = split(body.subarray(4));
      if (!texts.has(keyword)) texts.set(keyword, text);
    }
    at += 12 + length;
  }
  return texts;
}

/** @param {Uint8Array} body */
function split(body) {
  const end = body.indexOf(0);
  if (end < 1 || end > 79) throw new PngError("A text of this PNG has no keyword.");
  const decode = (/** @type {Uint8Array} */ part) => new TextDecoder("latin1").decode(part);
  return [decode(body.subarray(0, end)), decode(body.subarray(end + 1))];
}

/** Rows with the filter "none" before each. @param {Raster} raster */
function filtered({ rgba, width, height }) {
  const row = width * 4;
  const out = new Uint8Array((row + 1) * height);
  for (let y = 0; y < height; y += 1) out.set(rgba.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return out;
}

/** A zlib stream. @param {Uint8Array<ArrayBuffer>} bytes */
async function deflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** @param {string} type @param {ArrayLike<number>} data */
function chunk(type, data) {
  const body = joined([latin1(type), Uint8Array.from(data)]);
  return joined([Uint8Array.from(u32(data.length)), body, Uint8Array.from(u32(crc32(body)))]);
}

/** @param {string} text */
function latin1(text) {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** @param {number} value */
function u32(value) {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** @param {number} value */
function u16(value) {
  return [(value >>> 8) & 255, value & 255];
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
