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
import { dist, sampled } from "./support/lab.mjs";
import { DIST } from "./support/site.mjs";

const python = ["python3", "python"].find((name) => spawnSync(name, ["--version"]).status === 0);

test("a zip of the page, unpacked below a path with spaces and served by Python, draws; its code is at most 0.9 MB to download", { skip: !python && "no Python here" }, async (t) => {
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
  const page = await browser.newPage();
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  const url = `http://127.0.0.1:${port}/my%20models/p%20of%20x/`;
  const files = new Set();
  page.on("request", (request) => !request.serviceWorker() && files.add(decodeURIComponent(new URL(request.url()).pathname.slice(new URL(url).pathname.length)) || "index.html"));
  await page.goto(`${url}?backend=cpu`);
  await sampled(page);
  const bytes = [...files].filter((file) => /\.(html|js|css|wasm)$/.test(file)).reduce((sum, file) => sum + brotliCompressSync(dist(file)).length, 0);
  console.log(`page and engine of a first visit: ${(bytes / 1e6).toFixed(2)} MB after brotli`);
  assert.ok(files.has("playground_bg.wasm") && bytes <= 0.9e6, `${bytes} bytes`);
  await page.goto(`${url}lab.html?backend=cpu`);
  await page.waitForFunction(() => /\d/.test(document.querySelector("pofx-lab")?.shadowRoot?.querySelector("table td")?.textContent ?? ""), undefined, { timeout: 60_000 });
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated", undefined, { timeout: 60_000 });
  assert.deepEqual(trouble, []);
});
