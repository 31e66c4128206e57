// Training on a person's own pictures: files are dropped in, the model learns, a run is stopped, kept, and gone on with.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodePng } from "../../web/src/export/png.js";
import { AXE } from "./support/axe.mjs";
import { launch, openSite, paint, savedBy, typeInto } from "./support/browser.mjs";

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
    await trainer.locator("#pictures").setInputFiles(/** @type {any} */ (files));
    for (const [name, value] of Object.entries(settings)) {
      if (name === "begin") await trainer.getByLabel("Begin with").selectOption(value);
      else await typeInto(trainer.getByLabel(name), value, "Tab");
    }
    await trainer.getByRole("button", { name: "Train", exact: true }).click();
  };
  return { ...site, trainer, start: /** @type {(given: any) => Promise<void>} */ (start) };
}

/** The held-out log p before, and after the last step. @param {import("playwright-core").Locator} trainer */
async function heldOut(trainer) {
  const text = await trainer.getByText(/^Before: /).innerText();
  const [, before, step, after] = /Before: (−?[\d.]+) ± [\d.]+\. After step (\d+): (−?[\d.]+)/.exec(text) ?? [];
  return { before: Number(before.replace("−", "-")), step: Number(step), after: Number(after.replace("−", "-")) };
}

test("a VAE learns a person's pictures: held-out log p rises, samples follow, the weights are saved and used", async () => {
  const { page, trainer, start, trouble, close } = await openTrainer("binary-mnist-vae", { acceptDownloads: true });
  await start({ files: [...(await rings(40)), NO_PICTURE], Steps: "36" });
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

test("a run that is stopped is there after a reload, and goes on where it stood", async () => {
  const { page, trainer, start, trouble, close } = await openTrainer("binary-mnist-vae");
  await start({ files: await rings(25), Steps: "50000", begin: "fresh" });
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
  await trainer.getByRole("button", { name: "Forget this run" }).click();
  await heading.waitFor({ state: "detached" });
  await page.reload();
  await page.getByText("Train on your pictures").click();
  await trainer.getByText("Drop 20 to").waitFor({ timeout: 30_000 });
  assert.equal(await resume.count(), 0);
  assert.deepEqual(trouble, []);
  await close();
});

test("a diffusion model learns them too; other families say where to turn; too few pictures are refused in a sentence", async () => {
  const { page, trainer, start, trouble, close } = await openTrainer("mnist-diffusion");
  await trainer.locator("#pictures").setInputFiles(/** @type {any} */ (await rings(19)));
  await trainer.getByText("19 pictures came, and fewer than 20 teach nothing: choose more.").waitFor();
  await start({ files: await rings(30), Steps: "24", "Pictures a step": "16", "Learning rate": "0.001" });
  await trainer.getByRole("button", { name: "Another run on these pictures" }).waitFor({ timeout: 240_000 });
  const { before, after } = await heldOut(trainer);
  assert.ok(after > before + 20, `${before} before, ${after} after`);
  await page.locator("p-of-x").evaluate((element) => element.setAttribute("model", "mnist-gan"));
  await trainer.getByText("this is neither").waitFor({ timeout: 30_000 });
  assert.deepEqual(trouble, []);
  await close();
});
