// The room that samples: a sample opened large, files of it that bring it back, and changes that are taken back.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** Waits until `seed` is in the address and nothing is being drawn. */
async function drawn(page, seed) {
  await page.waitForFunction((seed) => location.hash.includes(`seed=${seed}`), seed, { timeout: 60_000 });
  await page.locator("pofx-sampler [role=option]").first().waitFor({ timeout: 60_000 });
  await page.waitForFunction((seed) => {
    const sampler = document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler");
    return !sampler.sampling && sampler.step?.done === sampler.step?.n && String(sampler.step?.seed) === String(seed);
  }, seed, { timeout: 60_000 });
}

const first = (page) => page.locator("pofx-sampler [role=option] canvas").first().evaluate((canvas) => canvas.toDataURL());

test("a sample opens large with its log p, is saved with its recipe, and the file brings it back; undo goes back, too", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu#v=1&model=mnist-vae&seed=7" });
  await drawn(page, 7);
  const original = await first(page);
  await page.locator("pofx-sampler [role=option]").nth(2).click();
  const large = page.locator("pofx-large");
  await large.getByRole("heading", { name: "Sample 3 of seed 7" }).waitFor();
  await large.getByText(/^log p\(x\) ≥ −?\d+\.\d.* nats \(lower bound, /).waitFor({ timeout: 60_000 });

  const files = {};
  for (const name of ["Save picture", "Save all as one picture", "Save values (NPY)", "Save values (CSV)"]) {
    const [download] = await Promise.all([page.waitForEvent("download"), large.getByRole("button", { name }).click()]);
    files[name] = { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }
  assert.equal(files["Save picture"].name, "mnist-vae-7-3.png");
  assert.equal(files["Save values (NPY)"].bytes.length % 64, 0);
  assert.equal(files["Save values (CSV)"].bytes.toString().trim().split("\n").length, 17);
  const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
  assert.deepEqual(violations, []);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/large.png`, fullPage: true });

  await page.keyboard.press("Escape");
  await large.waitFor({ state: "detached" });
  await page.locator("p-of-x #seed").fill("12");
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  await drawn(page, 12);
  assert.notEqual(await first(page), original);
  await page.locator("p-of-x").getByRole("button", { name: "Undo" }).click();
  await drawn(page, 7);
  assert.equal(await first(page), original);

  await page.locator("p-of-x #seed").fill("13");
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  await drawn(page, 13);
  await page.evaluate((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(bytes)], "saved.png", { type: "image/png" }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [...files["Save picture"].bytes]);
  await drawn(page, 7);
  assert.equal(await first(page), original);
  await close();
  assert.deepEqual(trouble, []);
});
