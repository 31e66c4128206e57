// An image (3, 64, 64) with values in [-1, 1] on a canvas; then `globalThis.first` says when it was there.

/** @param {Float32Array} image */
function draw(image) {
  const SIDE = 64;
  const pixels = new ImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = 127.5 * (image[c * SIDE * SIDE + i] + 1);
    pixels.data[4 * i + 3] = 255;
  }
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  globalThis.first = performance.now();
}
