// Numbers as files: NPY for NumPy, CSV for everything else.

/**
 * A float32 array as NumPy writes it (format 1.0, little-endian, rows first).
 * @param {Float32Array} values
 * @param {number[]} shape
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function toNpy(values, shape) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const said = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  // The data starts at a multiple of 64 bytes.
  const length = Math.ceil((10 + said.length + 1) / 64) * 64;
  const header = `${said.padEnd(length - 11)}\n`;
  const out = new Uint8Array(length + 4 * values.length);
  const view = new DataView(out.buffer);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  view.setUint16(8, length - 10, true);
  out.set(new TextEncoder().encode(header), 10);
  values.forEach((value, i) => view.setFloat32(length + 4 * i, value, true));
  return out;
}

/**
 * Lines of numbers below their names.
 * @param {string[]} names
 * @param {(number | string | null)[][]} rows null: an empty field
 */
export function toCsv(names, rows) {
  return [names, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n";
}

/** @param {number | string | null} value */
function field(value) {
  const text = value === null ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
