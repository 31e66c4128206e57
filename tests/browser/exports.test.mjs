// Files that are written and read: by the modules themselves, and against a hundred thousand damaged ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { toCsv, toNpy } from "../../web/src/export/numbers.js";
import { PngError, encodePng, readTexts } from "../../web/src/export/png.js";
import { toRaster } from "../../web/src/export/raster.js";
import { KEYWORD, formatRecipe, parseRecipe, readRecipe, toRecipe, withFiles } from "../../web/src/export/recipe.js";

const SAID = { model: "mnist-diffusion", sha256: "0a".repeat(32), seed: 7, n: 16, index: 3, values: { steps: 20, class: "3", sampler: null, latent: Float32Array.of(0.5, -1) } };
const SQUARE = { rgba: Uint8Array.from({ length: 4 * 4 * 4 }, (_, i) => i), width: 4, height: 4 };

/** @param {object} [more] */
const withRecipe = (more) => encodePng([SQUARE], { texts: { [KEYWORD]: formatRecipe(toRecipe({ ...SAID, ...more })) } });

test("a recipe comes back from a PNG as it went in, with the pictures that were given; one that is large is named as left out", async () => {
  const recipe = readRecipe(await withRecipe());
  assert.deepEqual(recipe, toRecipe(SAID));
  const image = { data: Uint8Array.from({ length: 28 * 28 }, (_, i) => i % 256), width: 28, height: 28, channels: 1 };
  const file = new Blob([await encodePng([SQUARE])], { type: "image/png" });
  const values = await withFiles({ image, to_image: file });
  const { controls, left_out } = readRecipe(await withRecipe({ values }));
  assert.deepEqual([controls.image, left_out], [image, []]);
  assert.ok(controls.to_image instanceof File && controls.to_image.type === "image/png");
  assert.deepEqual(await controls.to_image.arrayBuffer(), await file.arrayBuffer());
  const large = await withFiles({ image: new Blob([new Uint8Array(64_001)], { type: "image/png" }), to_image: new Blob(["<svg>"], { type: "image/svg+xml" }) });
  assert.deepEqual(toRecipe({ ...SAID, values: large }).left_out, ["image", "to_image"]);
  assert.equal(readRecipe(await encodePng([SQUARE])), undefined);
});

test("the pixels of a PNG are those that were given; of a film every frame is there", async () => {
  const film = await encodePng([SQUARE, SQUARE, SQUARE]);
  const chunks = parts(film);
  assert.deepEqual(chunks.map(([type]) => type), ["IHDR", "acTL", "fcTL", "IDAT", "fcTL", "fdAT", "fcTL", "fdAT", "IEND"]);
  const rows = [...inflateSync(chunks[3][1])];
  assert.deepEqual(rows.filter((_, i) => i % 17 !== 0), [...SQUARE.rgba]);
  assert.deepEqual([...inflateSync(chunks[5][1].subarray(4))], rows);
});

/** @param {Uint8Array} png @returns {[string, Buffer][]} */
function parts(png) {
  const bytes = Buffer.from(png);
  const all = [];
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    all.push([bytes.toString("latin1", at + 4, at + 8), bytes.subarray(at + 8, at + 8 + length)]);
    at += 12 + length;
  }
  return all;
}

test("ink is saved black on white, in squares, side by side", () => {
  const { rgba, width, height } = toRaster([{ data: [255, 0], width: 2, height: 1, channels: 1 }, { data: [0, 51], width: 2, height: 1, channels: 1 }], { columns: 2, scale: 2, gap: 1 });
  assert.deepEqual([width, height], [9, 2]);
  assert.deepEqual(Array.from({ length: 9 }, (_, x) => rgba[x * 4]), [0, 0, 255, 255, 255, 255, 255, 204, 204]);
});

test("NPY has its data at a multiple of 64 bytes, CSV quotes what needs it", () => {
  const npy = Buffer.from(toNpy(Float32Array.of(1, -2.5, 3, 4), [2, 2]));
  const length = 10 + npy.readUInt16LE(8);
  assert.equal(length % 64, 0);
  assert.match(npy.toString("latin1", 10, length), /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 2\), \} *\n$/);
  assert.equal(npy.readFloatLE(length + 4), -2.5);
  assert.equal(toCsv(["a", "b"], [[1, null], ['x,"y"', 2]]), 'a,b\n1,\n"x,""y""",2\n');
});

test("recipes that make no sense are refused in a sentence, and reach no prototype", () => {
  const good = JSON.parse(formatRecipe(toRecipe(SAID)));
  const bad = [
    "", "[]", "null", "1", "{", '{"__proto__":{"polluted":1}}',
    ...[{ version: 2 }, { model: "../x" }, { model: "<img onerror=alert(1)>" }, { sha256: "00" }, { seed: "-1" }, { seed: "99999999999999999" }, { n: 0 }, { n: 65 }, { index: 16 }, { controls: [] }, { controls: { constructor: 1 } }, { controls: { a: {} } }, ...[{ base64: "AA" }, { base64: "*", width: 1, height: 1, channels: 1 }, { base64: "AAAA", width: 1, height: 1, channels: 1 }, { base64: "AA==", width: 1.5, height: 1, channels: 1 }, { base64: "A".repeat(70_000 * 4), width: 1, height: 1, channels: 1 }, { base64: "AAAA", type: "text/html" }].map((a) => ({ controls: { a } })), { controls: { a: "x".repeat(65) } }, { left_out: {} }].map((wrong) => JSON.stringify({ ...good, ...wrong })),
    JSON.stringify(good).replace('"controls":{', '"controls":{"__proto__":{"polluted":1},'),
  ];
  for (const text of bad) assert.throws(() => parseRecipe(text), (error) => error instanceof PngError && /^The recipe .*\.$/.test(error.message), text);
  assert.equal({}.polluted, undefined);
});

test("100,000 damaged files: read, or refused with the typed error, and nothing else", async () => {
  const originals = [await withRecipe(), await withRecipe({ values: { image: { data: new Uint8Array(16), width: 4, height: 4, channels: 1 } } }), await withRecipe({ index: undefined, values: {} }), await encodePng([SQUARE, SQUARE], { texts: { Comment: "hello" } })];
  const recipe = formatRecipe(toRecipe(SAID));
  let state = 12345;
  const random = (below) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  let refused = 0;
  for (let i = 0; i < 100_000; i += 1) {
    try {
      // Half of them damage the file, half only the text, which a checksum would otherwise keep from being parsed.
      if (i % 2) readRecipe(damaged(originals[random(3)], random));
      else parseRecipe(new TextDecoder("latin1").decode(damaged(new TextEncoder().encode(recipe), random)));
    } catch (error) {
      if (!(error instanceof PngError)) throw error;
      refused += 1;
    }
  }
  assert.ok(refused > 50_000, `${refused} were refused`);
  assert.throws(() => readTexts(Uint8Array.of(1, 2)), PngError);
});

/** @param {Uint8Array} bytes @param {(below: number) => number} random */
function damaged(bytes, random) {
  const copy = Uint8Array.from(bytes);
  for (let times = 1 + random(4); times > 0; times -= 1) copy[random(copy.length)] = random(256);
  return random(3) === 0 ? copy.subarray(0, random(copy.length)) : copy;
}
