// Training on a person's own pictures: files are dropped in, the model learns, a run is stopped, kept, and gone on with.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodePng } from "../../web/src/export/png.js";
import { AXE } from "./support/axe.mjs";
import { NOT_AGAIN, launch, openSite, paint, savedBy, typeInto } from "./support/browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** Rings of several sizes on black, as files. @param {number} n */
async function rings(n) {
  const side = 28;
  const draw = (/** @type {number} */ i) => {
    const [radius, x0, y0] = [5 + (i % 5), 12 + (i % 3), 12 + (i % 4)];
    const rgba = new Uint8Array(side * side * 4).fill(255);
    for (let at = 0; at < side * side; at += 1) {
      const away = Math.abs(Math.hypot((at % side) - x0, Math.floor(at / side) - y0) - radius);
      rgba.fill(away < 1.5 ? 255 : 0, at * 4, at * 4 + 3);
    }
    return { rgba, width: side, height: side };
  };
  return Promise.all(Array.from({ length: n }, async (_, i) => ({ name: `ring-${i}.png`, mimeType: "image/png", buffer: Buffer.from(await encodePng([draw(i)])) })));
}

const NO_PICTURE = { name: "notes.png", mimeType: "image/png", buffer: Buffer.from("no picture") };

/** @param {string} model @param {import("playwright-core").BrowserContextOptions} [context] */
async function openTrainer(model, context = {}) {
  const site = await openSite(browser, { query: `?backend=cpu#v=1&room=generate&model=${model}&seed=7`, context });
  const trainer = site.page.locator("pofx-trainer");
  await site.page.getByText("Train on your pictures").click();
  const start = async (/** @type {Record<string, string>} */ { files, ...settings }) => {
    if (files) await trainer.locator("#pictures").setInputFiles(/** @type {any} */ (files));
    for (const [name, value] of Object.entries(settings)) {
      if (name === "begin") await trainer.getByLabel("Begin with").selectOption(value);
      else await typeInto(trainer.getByLabel(name), value, "Tab");
    }
    await trainer.getByRole("button", { name: "Train", exact: true }).click();
  };
  return { ...site, trainer, start: /** @type {(given: any) => Promise<void>} */ (start) };
}

/** Drops files as a person does. @param {import("playwright-core").Locator} trainer @param {{ name: string, mimeType: string, buffer: Buffer }[]} files @param {number} [times] each file */
function drop(trainer, files, times = 1) {
  const plain = files.map(({ name, mimeType, buffer }) => ({ name, mimeType, bytes: [...buffer] }));
  return trainer.locator(".drop").evaluate((place, { plain, times }) => {
    const data = new DataTransfer();
    for (const { name, mimeType, bytes } of plain) {
      for (let i = 0; i < times; i += 1) data.items.add(new File([Uint8Array.from(bytes)], name, { type: mimeType }));
    }
    place.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, composed: true, cancelable: true }));
  }, { plain, times });
}

/** Lets IndexedDB say that there is no room, or keep again. @param {import("playwright-core").Page} page @param {boolean} full */
function fill(page, full) {
  return page.evaluate((full) => {
    globalThis.put ??= IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = full ? () => { throw new DOMException("no room", "QuotaExceededError"); } : globalThis.put;
  }, full);
}

/** The held-out log p before, and after the last step. @param {import("playwright-core").Locator} trainer */
async function heldOut(trainer) {
  const text = await trainer.getByText(/^Before: /).innerText();
  const [, before, step, after] = /Before: (−?[\d.]+) ± [\d.]+\. After step (\d+): (−?[\d.]+)/.exec(text) ?? [];
  return { before: Number(before.replace("−", "-")), step: Number(step), after: Number(after.replace("−", "-")) };
}

test("a VAE learns a person's pictures: held-out log p rises, samples follow, the weights are saved and used", async () => {
  const { page, trainer, start, trouble, close } = await openTrainer("binary-mnist-vae", { acceptDownloads: true });
  // More than are taken, and a stop while they are read.
  await drop(trainer, await rings(1), 5001);
  await trainer.getByText("Of 5,001 files the first 5,000 are taken.").waitFor();
  await trainer.getByText(/^Reading, [\d,]+ of 5,000$/).waitFor();
  await trainer.getByRole("button", { name: "Stop" }).click();
  await trainer.getByText("Reading was stopped; no picture was taken.").waitFor();
  assert.equal(await trainer.getByText(/^Reading, /).count(), 0);
  assert.equal(await trainer.getByRole("button", { name: "Train", exact: true }).count(), 0);
  await drop(trainer, [...(await rings(40)), NO_PICTURE]);
  await start({ Steps: "36" });
  await trainer.getByText("1 file is no picture that can be read.").waitFor();
  await trainer.getByText("32 pictures to learn from, 8 held out").waitFor();
  const again = trainer.getByRole("button", { name: "Another run on these pictures" });
  await again.waitFor({ timeout: 120_000 });
  const { before, step, after } = await heldOut(trainer);
  assert.equal(step, 36);
  assert.ok(after > before + 20, `${before} before, ${after} after`);
  assert.equal(await trainer.locator("pofx-picture canvas").count(), 8);
  for (const [colorScheme, width] of /** @type {const} */ ([["light", 1280], ["dark", 360]])) {
    await paint(page, colorScheme);
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + " " + nodes[0].html))`), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `overflows at ${width} pixels`);
  }
  const saved = await savedBy(page, () => trainer.getByRole("button", { name: /Save weights/ }).click());
  assert.equal(saved.name, "binary-mnist-vae-step-36.safetensors");
  assert.ok(saved.bytes.length > 866_596 * 4);
  // A file of weights opens as any other does.
  await trainer.getByRole("button", { name: "Draw with these weights" }).click();
  await page.getByText("About this model", { exact: true }).click();
  await page.getByText("Now in use: your file “36 steps on your own pictures”.").waitFor();
  await page.getByRole("button", { name: "Use the shipped weights" }).click();
  await page.getByText("You have trained your own weights").waitFor();
  // The file names its model, so it may be given to another one.
  await page.locator("p-of-x").evaluate((element) => element.setAttribute("model", "mnist-vae-2d"));
  await page.getByText("VAE with two latents").or(page.getByText("mnist-vae-2d")).first().waitFor();
  await page.locator("pofx-model-card #weights").setInputFiles({ name: "mine.safetensors", mimeType: "", buffer: saved.bytes });
  await page.getByText("Now in use: your file “mine.safetensors”.").waitFor({ timeout: 30_000 });
  assert.equal(await page.locator("p-of-x").evaluate((element) => /** @type {any} */ (element).model), "binary-mnist-vae");
  assert.deepEqual(trouble, []);
  await close();
});

test("a run that can't be kept goes on and says so; one that is stopped is there after a reload, goes on where it stood, and is deleted", async () => {
  const { page, trainer, start, trouble, close } = await openTrainer("binary-mnist-vae");
  await fill(page, true);
  await start({ files: await rings(25), Steps: "50000", begin: "fresh" });
  await trainer.getByText(/^Learning, step \d+ of 50000, \d+ (s|min) left$/).waitFor({ timeout: 60_000 });
  const full = trainer.getByText(/^This browser has no room to keep this run \(\d[\d.]* MB\)\. It goes on, but is lost when this page is closed, unless you save its weights\. Clearing what else is kept under “Storage and offline use” frees up to \d[\d.]* MB\.$/);
  await full.waitFor({ timeout: 60_000 });
  assert.equal(await trainer.getByText("kept on this device").count(), 0);
  await fill(page, false);
  await trainer.getByText("What is learnt is kept on this device every few seconds.").waitFor({ timeout: 60_000 });
  assert.equal(await full.count(), 0);
  await trainer.getByText(/After step [1-9]/).waitFor({ timeout: 60_000 });
  await trainer.getByRole("button", { name: "Stop" }).click();
  const resume = trainer.getByRole("button", { name: "Go on" });
  await resume.waitFor();
  const heading = trainer.getByRole("heading", { name: /^Step / });
  const stood = async () => Number(/Step ([\d,]+) of 50,000/.exec(await heading.innerText())?.[1].replace(",", ""));
  const step = await stood();
  assert.ok(step > 0);
  await page.reload();
  await page.getByText("Train on your pictures").click();
  await resume.waitFor({ timeout: 30_000 });
  assert.equal(await stood(), step);
  await resume.click();
  await trainer.getByText(/^Learning, step/).waitFor({ timeout: 30_000 });
  while ((await stood()) <= step) await page.waitForTimeout(200);
  await trainer.getByRole("button", { name: "Stop" }).click();
  await resume.waitFor();
  // The panel counts the run, and recent results, and deletes them once it is sure.
  await page.getByText("Storage and offline use").click();
  const row = page.locator("pofx-storage tr", { hasText: `step ${await stood()} of 50000` });
  const bytes = await row.innerText();
  const [pictures, weights, moments, all] = [...bytes.matchAll(/([\d.]+) (kB|MB)/g)].map(([, value, unit]) => Number(value) * (unit === "MB" ? 1e6 : 1e3));
  assert.ok(Math.abs(pictures - 25 * 784) < 1e3, bytes);
  // Those of the last step and the best ones, 866,596 numbers each, may be the same.
  assert.ok(weights > 866_596 * 4 && moments > 866_596 * 8 && Math.abs(all - pictures - weights - moments) < 2e5, bytes);
  const shown = async (/** @type {string} */ name) => Number(/([\d.]+) MB/.exec(await page.locator("pofx-storage tr", { hasText: name }).innerText())?.[1]);
  const together = await shown("All together");
  assert.ok(together * 1e6 > all, `${together} MB`);
  const results = page.locator("pofx-storage tr", { hasText: "Recent results, 1" });
  await results.getByRole("button", { name: "Delete recent results" }).click();
  await results.getByRole("button", { name: "Delete", exact: true }).click();
  await results.waitFor({ state: "detached" });
  assert.equal(await page.locator("pofx-recent .result").count(), 0);
  await row.getByRole("button", { name: /^Delete/ }).click();
  await row.getByRole("button", { name: "Cancel" }).click();
  await trainer.getByText(/Kept on this device since/).waitFor();
  await row.getByRole("button", { name: /^Delete/ }).click();
  await row.getByRole("button", { name: "Delete", exact: true }).click();
  await row.waitFor({ state: "detached" });
  assert.ok((await shown("All together")) < together);
  await trainer.getByText("It is not kept on this device.").waitFor();
  await trainer.getByRole("button", { name: "Forget this run" }).click();
  await trainer.getByRole("button", { name: "Forget it" }).click();
  await heading.waitFor({ state: "detached" });
  await page.reload();
  await page.getByText("Train on your pictures").click();
  await trainer.getByText("Drop 20 to").waitFor({ timeout: 30_000 });
  assert.equal(await resume.count(), 0);
  assert.deepEqual(trouble, []);
  await close();
});

test("a diffusion model learns them too; other families say where to turn; too few pictures are refused in a sentence", NOT_AGAIN, async () => {
  const { page, trainer, start, trouble, close } = await openTrainer("mnist-diffusion");
  await trainer.locator("#pictures").setInputFiles(/** @type {any} */ (await rings(19)));
  await trainer.getByText("19 pictures came, and fewer than 20 teach nothing: choose more.").waitFor();
  await start({ files: await rings(30), Steps: "24", "Pictures a step": "16", "Learning rate": "0.001" });
  await trainer.getByRole("button", { name: "Another run on these pictures" }).waitFor({ timeout: 240_000 });
  const { before, after } = await heldOut(trainer);
  assert.ok(after > before + 20, `${before} before, ${after} after`);
  await trainer.getByRole("button", { name: "Another run on these pictures" }).click();
  await start({ begin: "fresh", Steps: "1", "Pictures a step": "4" });
  await trainer.getByText("24 pictures to learn from, 6 held out; from new weights.").waitFor();
  await trainer.getByRole("button", { name: "Another run on these pictures" }).waitFor({ timeout: 120_000 });
  const fresh = await heldOut(trainer);
  assert.ok(fresh.step === 1 && fresh.after < after, `${fresh.after} of new weights, ${after} of those that had learnt`);
  const losses = await trainer.evaluate(({ run }) => run.points.map(({ loss }) => loss));
  assert.ok(losses.length === 1 && losses[0] > 0 && Number.isFinite(losses[0]), `${losses}`);
  await page.locator("p-of-x").evaluate((element) => element.setAttribute("model", "mnist-gan"));
  await trainer.getByText("this is neither").waitFor({ timeout: 30_000 });
  assert.deepEqual(trouble, []);
  await close();
});
