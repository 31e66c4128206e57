// The other tests mean something only where the browser has WebGPU.

import assert from "node:assert/strict";
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
