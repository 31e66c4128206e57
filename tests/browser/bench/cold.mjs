// Cold start and download: a fresh browser context, from navigation to the first image of the DCGAN generator.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";

/** Pages by name of the runtime. */
const PAGES = { ours: "cold-ours.js", "onnxruntime-web": "cold-ort.js" };

const source = (name) => readFileSync(new URL(`page/${name}`, import.meta.url), "utf8");

/** Their HTML, scripts included: no page waits for a chain of small files. */
export const COLD_HTML = Object.fromEntries(
  Object.values(PAGES).map((name) => [
    name,
    `<!doctype html><title>cold</title><body><script>${source("draw.js")}</script><script type="module">${source(name)}</script>`,
  ]),
);

/**
 * Medians of the milliseconds to the first image, the pages taking turns.
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {number} rounds
 */
export async function coldStart(browser, url, rounds) {
  const times = Object.fromEntries(Object.keys(PAGES).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, page] of Object.entries(PAGES)) times[name].push(await once(browser, url + page));
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, { ms: all.toSorted((a, b) => a - b)[rounds >> 1], times: all }]));
}

async function once(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  let trouble = "";
  page.on("pageerror", (error) => (trouble = error.message));
  await page.goto(url);
  const first = await page.waitForFunction(() => globalThis.first, null, { timeout: 60_000 }).catch(() => null);
  if (!first) throw new Error(`no image on ${url}: ${trouble}`);
  const ms = await first.jsonValue();
  await context.close();
  return ms;
}

/**
 * Bytes after brotli of all scripts and wasm that a page asked for.
 * @param {string[]} files
 * @param {string} cache a folder: compressing 26 MB at the best level takes a minute
 */
export function brotliBytes(files, cache) {
  mkdirSync(cache, { recursive: true });
  const one = (file) => {
    const bytes = readFileSync(file);
    const known = join(cache, `${createHash("sha256").update(bytes).digest("hex").slice(0, 24)}.brotli`);
    if (!existsSync(known)) writeFileSync(known, String(brotliCompressSync(bytes).length));
    return Number(readFileSync(known, "utf8"));
  };
  return files.map(one).reduce((sum, n) => sum + n, 0);
}
