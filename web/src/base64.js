// Bytes as text, and back.

/** @param {Uint8Array | Uint8ClampedArray | number[]} bytes */
export function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** The bytes; undefined where the text is none of this kind. @param {string} text @returns {Uint8Array<ArrayBuffer> | undefined} */
export function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
