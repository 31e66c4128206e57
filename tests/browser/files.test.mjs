// Weights and pictures that are not what they should be, downloads that break, a second visit, a second tab.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deflateSync } from "node:zlib";
import { kindOf } from "../../web/src/engine/file-kind.js";
import { launch, openSite } from "./support/browser.mjs";
import { MODEL, WEIGHTS, dist, openApi, sampled, replace } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof openApi>>} */
let site;
before(async () => {
  browser = await launch();
  site = await openApi(browser);
  await site.page.evaluate(async (id) => void (globalThis.model = await api.open(id, { backend: "cpu" })), MODEL);
});
after(async () => {
  await site.close();
  await browser.close();
});

const shipped = dist(WEIGHTS);
const headerLength = Number(shipped.readBigUInt64LE(0));
const header = JSON.parse(shipped.toString("utf8", 8, 8 + headerLength));
const tensors = Object.keys(header).filter((name) => name !== "__metadata__");

/** The shipped weights with another header. @param {(header: Record<string, any>) => void} change */
function withHeader(change) {
  const changed = structuredClone(header);
  change(changed);
  const text = Buffer.from(JSON.stringify(changed));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, shipped.subarray(8 + headerLength)]);
}

/** @param {(bytes: Buffer) => void} change */
function changed(change) {
  const bytes = Buffer.from(shipped);
  change(bytes);
  return bytes;
}

/** Opens the model with a person's own file. @param {Uint8Array} bytes */
function openOwn(bytes) {
  return site.page.evaluate(
    async ([id, base64]) => {
      const file = new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], "mine.safetensors");
      const result = await outcome(api.open(id, { backend: "cpu", weights: file }).then((own) => stillWorks(own)));
      return { ...result, previousWorks: await stillWorks(model) };
    },
    [MODEL, Buffer.from(bytes).toString("base64")],
  );
}

const BAD_WEIGHTS = {
  "an empty file": [Buffer.alloc(0), /not a whole safetensors file/],
  "a truncated file": [shipped.subarray(0, shipped.length - 1000), /not a whole safetensors file/],
  "a header larger than the file": [changed((b) => b.writeBigUInt64LE(2n ** 40n, 0)), /header claims 1099511627776 bytes/],
  "a NaN": [changed((b) => b.writeUInt16LE(0x7e00, b.length - 2)), /not a finite number/],
  "a wrong shape": [withHeader((h) => h[tensors[0]].shape.reverse().push(1)), /do not fit/],
  "a wrong dtype": [withHeader((h) => (h[tensors[0]].dtype = "BF16")), /stored as BF16/],
  "a missing parameter": [
    withHeader((h) => {
      h["another.name"] = h[tensors[0]];
      delete h[tensors[0]];
    }),
    /for another model/,
  ],
  "a picture": [Buffer.from("\x89PNG\r\n\x1a\n and so on", "latin1"), /not a whole safetensors file/],
};

for (const [what, [bytes, pattern]] of Object.entries(BAD_WEIGHTS)) {
  test(`weights: ${what} is refused in a sentence, the previous model stays`, async () => {
    const { code, message, previousWorks } = await openOwn(bytes);
    assert.equal(code, "bad-weights");
    assert.match(message, pattern);
    assert.match(message, /^[A-Z].*\.$/);
    assert.ok(previousWorks);
  });
}

test("weights: a good file of a person's own is used", async () => {
  assert.equal((await openOwn(shipped)).value, true);
});

/** Opens the model where a file is served otherwise. */
async function openServed(intercept) {
  const other = await openApi(browser, { intercept });
  const result = await other.page.evaluate(async (id) => outcome(api.open(id, { backend: "cpu" }).then(stillWorks)), MODEL);
  await other.close();
  return result;
}

test("downloads: wrong checksum, cut off, too long, missing, a card that is a web page", async () => {
  const wrong = await openServed(replace(WEIGHTS, changed((b) => (b[b.length - 1] ^= 1))));
  assert.deepEqual([wrong.code, wrong.message], ["integrity", "weights.safetensors is damaged: its checksum is not the one on the model's card."]);
  const short = await openServed(replace(WEIGHTS, shipped.subarray(0, 1000)));
  assert.equal(short.code, "integrity");
  assert.match(short.message, /only 1000 of \d+ bytes arrived/);
  const long = await openServed(replace(WEIGHTS, Buffer.concat([shipped, Buffer.from("more")])));
  assert.equal(long.code, "integrity");
  const gone = await openServed((path, response) => path === WEIGHTS && Boolean(response.writeHead(404).end()));
  assert.equal(gone.code, "network");
  assert.match(gone.message, /answered 404/);
  const cut = await openServed((path, response) => {
    if (path !== WEIGHTS) return false;
    response.writeHead(200, { "content-length": shipped.length });
    response.write(shipped.subarray(0, 5000), () => response.destroy());
    return true;
  });
  assert.equal(cut.code, "network");
  const page = await openServed(replace(`models/${MODEL}/card.json`, "<!doctype html>", { "content-type": "text/html" }));
  assert.equal(page.code, "bad-card");
});

test("downloads: an engine that is not the one of this page is not run", async () => {
  const engine = dist("playground_bg.wasm");
  const other = Buffer.from(engine);
  // A byte of its stamp: it would compile all the same.
  other[other.length - 1] ^= 1;
  for (const bytes of [other, Buffer.concat([engine, Buffer.from([0, 1, 0])])]) {
    const { page, close } = await openApi(browser, { intercept: replace("playground_bg.wasm", bytes, { "content-type": "application/wasm" }) });
    const { code, message } = await page.evaluate(async (id) => outcome(api.open(id, { backend: "cpu" })), MODEL);
    await close();
    assert.deepEqual([code, message], ["integrity", "The page and its engine are of two versions; reload the page."]);
  }
});

test("downloads: after a failure the same page can try again", async () => {
  let broken = true;
  const other = await openApi(browser, {
    intercept: (path, response) => broken && path === WEIGHTS && Boolean(response.writeHead(503).end()),
  });
  const open = () => other.page.evaluate(async (id) => outcome(api.open(id, { backend: "cpu" }).then(stillWorks)), MODEL);
  const first = await open();
  broken = false;
  const second = await open();
  await other.close();
  assert.equal(first.code, "network");
  assert.equal(second.value, true);
});

test("a second visit and a second tab download no weights, and both work", async () => {
  let downloads = 0;
  const count = (path) => {
    if (path === WEIGHTS) downloads += 1;
    return false;
  };
  const first = await openSite(browser, { query: "?backend=cpu", intercept: count });
  const second = await first.page.context().newPage();
  await second.goto(`${first.url}?backend=cpu`);
  await Promise.all([sampled(first.page), sampled(second)]);
  await second.reload();
  await sampled(second);
  await first.page.bringToFront();
  await first.page.locator("p-of-x .dice").click();
  await sampled(first.page);
  await first.close();
  assert.equal(downloads, 1);
  assert.deepEqual(first.trouble, []);
});

test("a damaged copy in the cache is noticed and replaced", async () => {
  const other = await openApi(browser);
  const works = await other.page.evaluate(async (id) => {
    await api.open(id, { backend: "cpu" });
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("p-of-x");
    let files = 0;
    for await (const handle of folder.values()) {
      const stream = await handle.createWritable({ keepExistingData: true });
      await stream.write({ type: "write", position: 500, data: new Uint8Array(4096) });
      await stream.close();
      files += 1;
    }
    return files === 2 && stillWorks(await api.open(id, { backend: "cpu" }));
  }, MODEL);
  await other.close();
  assert.ok(works);
});

/** A PNG by hand. @param {number} width @param {number} height @param {number[]} [rgba] of every pixel */
function png(width, height, rgba = [0, 0, 0, 255]) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 6, 0, 0, 0], 8);
  // Large pictures are refused by their header, so they need no pixels.
  const rows = width * height > 1e6 ? [] : Array.from({ length: height }, () => [0, ...Array(width).fill(rgba).flat()]);
  const data = deflateSync(Buffer.from(rows.flat()));
  const magic = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([magic, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function crc(bytes) {
  let value = -1;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (value ^ -1) >>> 0;
}

/** Asks about a file. @param {Uint8Array} bytes @param {string} name */
function ask(bytes, name) {
  return site.page.evaluate(
    async ([base64, name]) => {
      const file = new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name);
      const result = await outcome(model.logProb(file).then((e) => ({ nats: e.nats, notices: e.scored.notices })));
      return { ...result, works: await stillWorks(model) };
    },
    [Buffer.from(bytes).toString("base64"), name],
  );
}

/** The first entry of a zip, as its local header says it. @param {string} name */
function zip(name) {
  const header = Buffer.alloc(30);
  header.write("PK\x03\x04", "latin1");
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), Buffer.alloc(100)]);
}

/** Files that people drop, and what they are, whatever their name says. */
const FILES = {
  "model.pth": [zip("archive/data.pkl"), /^a PyTorch checkpoint/],
  "old.ckpt": [Buffer.from([0x80, 2, 0x8a, 10]), /^a PyTorch checkpoint/],
  "arrays.npz": [zip("weights.npy"), /^NumPy arrays/],
  "llama.gguf": [Buffer.from("GGUF\x03\0\0\0"), /^a GGUF file/],
  "all.zip": [zip("readme.txt"), /^a zip archive/],
  "saved.png": [Buffer.from("\ufeff  <!DOCTYPE html><title>404</title>"), /^a web page/],
  "picture.dat": [png(28, 28), "picture"],
  "weights.bin": [Buffer.concat([Buffer.from([20, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a":{}}            ')]), "weights"],
  "nothing.safetensors": [Buffer.alloc(0), "empty"],
  "zeros.safetensors": [Buffer.alloc(4096), "unknown"],
};

test("a file is what its first bytes say, of which no more than 64 kB are read", async () => {
  for (const [name, [bytes, expected]] of Object.entries(FILES)) {
    const read = [];
    const file = new Blob([bytes]);
    const slice = file.slice.bind(file);
    Object.assign(file, {
      slice: (from, to) => (read.push(to - from), slice(from, to)),
      arrayBuffer: () => assert.fail("the whole is read"),
      text: () => assert.fail("the whole is read"),
      stream: () => assert.fail("the whole is read"),
    });
    const kind = await kindOf(file);
    if (typeof expected === "string") assert.equal(kind.kind, expected, name);
    else assert.match(kind.name, expected, name);
    assert.ok(read.reduce((sum, n) => sum + n, 0) <= 65_536, name);
  }
});

test("a picture of 3 GB is refused before it is read", async () => {
  const { code, message, ms } = await site.page.evaluate(async () => {
    // The same 64 MB of zeros, 48 times: no memory of its own.
    const zeros = new Blob([new Uint8Array(1 << 26)]);
    const file = new File(Array(48).fill(zeros), "huge.png");
    const from = performance.now();
    const result = await outcome(model.logProb(file));
    return { ...result, ms: performance.now() - from };
  });
  assert.equal(code, "bad-image");
  assert.match(message, /^“huge.png” has 3,222 MB; pictures of up to 134 MB are read\.$/);
  // Reading them takes seconds.
  assert.ok(ms < 1000, `${ms} ms`);
});

const BAD_IMAGES = {
  "a text": [Buffer.from("This is no picture."), "letter.png", "“letter.png” is not a picture this page can read (PNG, JPEG, GIF, WebP or BMP)."],
  "an empty file": [Buffer.alloc(0), "empty.png", "“empty.png” is empty."],
  "a drawing of code": [Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"), "a.svg", /is not a picture this page can read .*: it is a drawing of code \(SVG\)/],
  "a checkpoint with a picture's name": [FILES["model.pth"][0], "cat.png", /: it is a PyTorch checkpoint, which may run code/],
  "0 x 0 pixels": [png(0, 0), "none.png", "The picture is 0 × 0 pixels: there is nothing in it."],
  "10,000 pixels wide": [png(10_000, 200), "wide.png", "The picture is 10000 × 200 pixels; at most 4096 × 4096 can be read."],
  "10,000 pixels high and as wide": [png(10_000, 10_000), "vast.png", /at most 4096 × 4096/],
  "cut off": [png(60, 60).subarray(0, 40), "cut.png", "“cut.png” looks like a picture, but it is damaged or cut off."],
};

for (const [what, [bytes, name, expected]] of Object.entries(BAD_IMAGES)) {
  test(`pictures: ${what} is refused in a sentence, and the next question is answered`, async () => {
    const { code, message, works } = await ask(bytes, name);
    assert.equal(code, "bad-image");
    assert[typeof expected === "string" ? "equal" : "match"](message, expected);
    assert.ok(works);
  });
}

test("pictures: transparency and a light background are dealt with and said", async () => {
  const glass = await ask(png(40, 40, [0, 0, 0, 128]), "glass.png");
  assert.ok(Number.isFinite(glass.value.nats));
  assert.match(glass.value.notices.join(" "), /transparent/);
  const paper = await ask(png(50, 30, [255, 255, 255, 255]), "paper.png");
  assert.match(paper.value.notices.join(" "), /light background.*blank/);
});

test("pictures: pixels whose number does not fit are refused", async () => {
  const errors = await site.page.evaluate(async () => [
    await outcome(model.logProb({ width: 28, height: 28, data: [1, 2, 3] })),
    await outcome(model.logProb({ width: 0, height: 0, data: [] })),
    await outcome(model.logProb(new OffscreenCanvas(5000, 10))),
  ]);
  assert.deepEqual(errors.map(({ code }) => code), ["bad-image", "bad-image", "bad-image"]);
});
