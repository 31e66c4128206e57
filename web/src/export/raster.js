// Pictures as they are saved: ink black on white, colours as they are, each pixel a square of several.

/** @typedef {import("../ui/picture.js").Pixels} Pixels */
/** @typedef {import("./png.js").Raster} Raster */

/**
 * Pictures side by side in rows.
 * @param {Pixels[]} pictures of one size
 * @param {{ columns?: number, scale?: number, gap?: number }} [options] `scale`: pixels of the file for one of a picture
 * @returns {Raster}
 */
export function toRaster(pictures, { columns = 1, scale = 4, gap = 0 } = {}) {
  const { width: w, height: h } = pictures[0];
  const rows = Math.ceil(pictures.length / columns);
  const width = columns * w * scale + (columns - 1) * gap;
  const height = rows * h * scale + (rows - 1) * gap;
  const rgba = new Uint8Array(width * height * 4).fill(255);
  pictures.forEach((picture, i) => {
    const left = (i % columns) * (w * scale + gap);
    const top = Math.floor(i / columns) * (h * scale + gap);
    for (let y = 0; y < h * scale; y += 1) {
      for (let x = 0; x < w * scale; x += 1) {
        const from = Math.floor(y / scale) * w + Math.floor(x / scale);
        rgba.set(colour(picture, from), ((top + y) * width + left + x) * 4);
      }
    }
  });
  return { rgba, width, height };
}

/** @param {Pixels} picture @param {number} at */
function colour({ data, channels, max = 255 }, at) {
  const level = (/** @type {number} */ c) => Math.round((data[at * channels + c] / max) * 255);
  if (channels === 1) return [255 - level(0), 255 - level(0), 255 - level(0)];
  return [level(0), level(1), level(2)];
}
