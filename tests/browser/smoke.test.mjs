// The built page opens from a sub-path of a plain static host, quietly, on both backends.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

test("this Chromium has a WebGPU adapter", async () => {
  const { page, close } = await openSite(browser);
  const adapter = await page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
  await close();
  assert.ok(adapter, "no adapter: check the browser flags in support/browser.mjs");
});

for (const backend of ["cpu", "webgpu"]) {
  test(`the page opens with ?backend=${backend} and asks nobody else`, async () => {
    const { page, trouble, close } = await openSite(browser, { query: `?backend=${backend}` });
    await page.waitForLoadState("networkidle");
    assert.notEqual(await page.title(), "");
    await close();
    assert.deepEqual(trouble, []);
  });
}

test("axe finds no serious accessibility problem", async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
  const { page, close } = await openSite(browser);
  await page.waitForLoadState("networkidle");
  const violations = await page.evaluate(`${axe}; axe.run().then(({ violations }) => violations)`);
  await close();
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
});
