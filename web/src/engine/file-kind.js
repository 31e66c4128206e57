// What a file is, by its first bytes: its name may say anything. No more of it is read than these.

const HEAD_BYTES = 1024;

/**
 * A `picture` and `weights` are of use here; the others have a `name` in words, to be told what they are.
 * @typedef {{ kind: "picture", format: Format } | { kind: "weights" | "empty" | "unknown" } | { kind: "other", name: string }} Kind
 */

/** @typedef {"png" | "jpeg" | "gif" | "webp" | "bmp"} Format */

/** Formats of pictures that browsers decode, by their first bytes; of a WebP the length stands amidst them. @type {[(number | string)[], Format][]} */
const PICTURES = [
  [[0x89, "PNG"], "png"],
  [[0xff, 0xd8, 0xff], "jpeg"],
  [["GIF8"], "gif"],
  [["BM"], "bmp"],
];

const CHECKPOINT = "a PyTorch checkpoint, which may run code when it is opened; safetensors.torch.save_file writes its tensors as .safetensors";
const PAGE = "a web page";

/** Formats that people may try, by their first bytes. @type {[(number | string)[], string][]} */
const OTHERS = [
  [["GGUF"], "a GGUF file, of a language model"],
  [["GGML"], "a GGML file, of a language model"],
  [[0x93, "NUMPY"], "a NumPy array"],
  [[0x89, "HDF\r\n"], "an HDF5 file, as Keras saves"],
  [["%PDF"], "a PDF"],
  [["7z", 0xbc, 0xaf], "an archive"],
  [["Rar!"], "an archive"],
  [[0x1f, 0x8b], "an archive"],
  [[0, "asm"], "a WebAssembly module"],
  [[0x80, 2], CHECKPOINT],
  [[0x80, 3], CHECKPOINT],
  [[0x80, 4], CHECKPOINT],
  [[0x80, 5], CHECKPOINT],
];

/** @param {Blob} file @returns {Promise<Kind>} */
export async function kindOf(file) {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  if (head.length === 0) return { kind: "empty" };
  const text = Array.from(head, (byte) => String.fromCharCode(byte)).join("");
  const starts = (/** @type {(number | string)[]} */ magic) => text.startsWith(magic.map((part) => (typeof part === "number" ? String.fromCharCode(part) : part)).join(""));
  const format = text.slice(8, 12) === "WEBP" ? "webp" : PICTURES.find(([magic]) => starts(magic))?.[1];
  if (format) return { kind: "picture", format };
  // The length of a header, far below 2^32, and the header.
  if (text.slice(4, 9) === "\0\0\0\0{") return { kind: "weights" };
  const other = OTHERS.find(([magic]) => starts(magic))?.[1] ?? zipOf(text) ?? textOf(text);
  return other ? { kind: "other", name: other } : { kind: "unknown" };
}

/** A zip says in its first entry what it is of. @param {string} text */
function zipOf(text) {
  if (!text.startsWith("PK\x03\x04")) return undefined;
  const length = text.charCodeAt(26) + 256 * text.charCodeAt(27);
  const first = text.slice(30, 30 + length);
  if (first.endsWith(".npy")) return "NumPy arrays (.npz)";
  return /(^|\/)(data\.pkl|byteorder|\.format_version)$/.test(first) ? CHECKPOINT : "a zip archive";
}

/** @param {string} text */
function textOf(text) {
  const start = text.replace(/^\u00ef\u00bb\u00bf/, "").trimStart().toLowerCase();
  if (/^<(!doctype html|html)/.test(start)) return PAGE;
  return /^(<\?xml[^>]*>\s*)?<svg/.test(start) ? "a drawing of code (SVG), which this page does not run" : undefined;
}
