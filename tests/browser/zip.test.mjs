// The page as a person takes it to a host of their own: a zip file, unpacked below any path of a plain server that knows nothing of it.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { launch } from "./support/browser.mjs";
import { dist, probed, sampled } from "./support/lab.mjs";
import { DIST } from "./support/site.mjs";

/** What is loaded: what page and engine are, the fonts, and small files beside them. */
const [CODE, FONTS, REST] = [/\.(html|js|css|wasm)$/, /\.woff2$/, /^(icon\.svg|icons\/\w+\.png|manifest\.webmanifest|models\/models\.json)$/];

/** Bytes of files after brotli. @type {Map<string, number>} */
const sizes = new Map();

/** @param {string} file of the page */
function compressed(file) {
  const bytes = sizes.get(file) ?? brotliCompressSync(dist(file)).length;
  sizes.set(file, bytes);
  return bytes;
}

const python = ["python3", "python"].find((name) => spawnSync(name, ["--version"]).status === 0);

test("a zip of the page, unpacked below a path with spaces and served by Python, draws; page and engine are at most 0.9 MB to download, 1 MB with the fonts", { skip: !python && "no Python here" }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "p-of-x-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const zip = join(folder, "page.zip");
  execFileSync(python, ["-m", "zipfile", "-c", zip, ...readdirSync(DIST).map((name) => join(DIST, name))]);
  const at = join(folder, "site", "my models", "p of x");
  mkdirSync(at, { recursive: true });
  execFileSync(python, ["-m", "zipfile", "-e", zip, at]);

  const server = spawn(python, ["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"], { cwd: join(folder, "site"), stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => server.kill());
  const [, port] = /port (\d+)/.exec((await createInterface(server.stdout)[Symbol.asyncIterator]().next()).value);
  const browser = await launch();
  t.after(() => browser.close());
  const url = `http://127.0.0.1:${port}/my%20models/p%20of%20x/`;
  const trouble = [];
  /** A first visit, and the files it loads. @param {string} room @param {(page: import("playwright-core").Page) => Promise<unknown>} ready */
  const visit = async (room, ready) => {
    const page = await browser.newPage();
    page.on("pageerror", (error) => trouble.push(error.message));
    page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
    const files = new Set();
    page.on("request", (request) => !request.serviceWorker() && files.add(decodeURIComponent(new URL(request.url()).pathname.slice(new URL(url).pathname.length))));
    await page.goto(`${url}${room}?backend=cpu`);
    await ready(page);
    return { page, files: [...files] };
  };
  for (const [room, ready] of /** @type {const} */ ([["index.html", sampled], ["lab.html", probed]])) {
    const { page, files } = await visit(room, ready);
    assert.ok(files.includes("playground_bg.wasm"), files.join(" "));
    // Page and engine are what it runs by. The fonts come later and in the place of the system's (font-display: swap); the weights, the
    // known answers and the card are the model's; and a list of the models and the icon are a few kB.
    const [code, fonts, rest] = [CODE, FONTS, REST].map((kind) => files.filter((file) => kind.test(file)).reduce((sum, file) => sum + compressed(file), 0));
    const kB = (/** @type {number} */ bytes) => (bytes / 1000).toFixed(1);
    console.log(`first visit to ${room}, brotli: ${kB(code)} kB of page and engine, ${kB(fonts)} kB of fonts, ${kB(rest)} kB of small files`);
    const unknown = files.filter((file) => ![CODE, FONTS, REST, /^models\/[\w-]+\//].some((kind) => kind.test(file)));
    assert.deepEqual(unknown, [], "a file that is not counted");
    assert.ok(code <= 0.9e6, `${room}: ${code} bytes`);
    assert.ok(code + fonts + rest <= 1e6, `${room}: ${code + fonts + rest} bytes with fonts`);
    if (room === "index.html") await page.close();
    // What works without a network is kept, too.
    else await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated", undefined, { timeout: 60_000 });
  }
  assert.deepEqual(trouble, []);
});
