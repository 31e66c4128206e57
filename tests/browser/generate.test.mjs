// The room that samples: a sample opened large, files of it that bring it back, and changes that are taken back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AXE } from "./support/axe.mjs";
import { cases, launch, openSite, savedBy, typeInto } from "./support/browser.mjs";

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
  await large.getByText(/^log p\(x\) ≥ −\d+\.\d nats \(lower bound, IWAE k=64, /).waitFor({ timeout: 60_000 });

  const files = {};
  for (const name of ["Picture", "All 16 as one picture", "Values (NPY)", "log p (NPY)", "Values and log p (CSV)"]) {
    files[name] = await savedBy(page, () => large.getByRole("button", { name, exact: true }).click());
  }
  assert.equal(files.Picture.name, "mnist-vae-7-3.png");
  assert.equal(files["Values (NPY)"].bytes.length % 64, 0);
  const lines = files["Values and log p (CSV)"].bytes.toString().trim().split("\n").map((line) => line.split(","));
  assert.equal(lines.length, 17);
  assert.deepEqual(lines[0].slice(0, 6), ["sample", "log_p_nats", "std_error", "kind", "estimator", "value_1"]);
  const floats = files["log p (NPY)"].bytes.subarray(-16 * 4);
  // The same number large, in the table and for NumPy.
  const shown = Number((await large.locator(".value").innerText()).match(/−([\d.]+) nats/)[1]);
  for (const nats of [Number(lines[3][1]), floats.readFloatLE(8)]) assert.ok(Math.abs(nats + shown) < 0.06, `${nats} ${shown}`);
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
  }, [...files.Picture.bytes]);
  await drawn(page, 7);
  assert.equal(await first(page), original);
  await close();
  assert.deepEqual(trouble, []);
});

/** The page with a model, drawn. */
async function open(hash, context = {}) {
  const site = await openSite(browser, { query: `?backend=cpu#v=1&${hash}`, context });
  await drawn(site.page, /seed=(\d+)/.exec(hash)?.[1] ?? "7");
  return site;
}

const seed = (page) => page.locator("p-of-x #seed").inputValue();
const generate = (page) => page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
const canvasesIn = (located) => located.evaluateAll((all) => all.map((canvas) => canvas.toDataURL()));
const canvases = (page, within) => canvasesIn(page.locator(`${within} [role=option] canvas`));

test("Generate takes a new seed where the same samples would come again; a lock holds the seed, dice throw another", async () => {
  const { page, trouble, close } = await open("model=mnist-vae&seed=7");
  const lock = page.getByRole("button", { name: "Lock the seed" });
  await lock.click();
  assert.equal(await lock.getAttribute("aria-pressed"), "true");
  assert.ok(await page.getByRole("button", { name: "Random seed" }).isDisabled());
  const original = await first(page);
  await generate(page);
  await drawn(page, 7);
  assert.equal(await first(page), original);
  await lock.click();
  await generate(page);
  await page.waitForFunction(() => !/seed=7(&|$)/.test(location.hash));
  const second = await seed(page);
  await drawn(page, second);
  assert.notEqual(await first(page), original);
  await page.getByRole("button", { name: "Random seed" }).click();
  await page.waitForFunction((seed) => !location.hash.includes(`seed=${seed}`), second);
  await drawn(page, await seed(page));
  // Ctrl+Z takes back one change after the other.
  await page.getByRole("button", { name: "Generate" }).focus();
  await page.keyboard.press("Control+z");
  await drawn(page, second);
  await page.keyboard.press("Control+z");
  await drawn(page, 7);
  assert.equal(await first(page), original);
  assert.ok(await page.getByRole("button", { name: "Undo" }).isDisabled());
  await close();
  assert.deepEqual(trouble, []);
});

test("a slider that is dragged is one change to take back", async () => {
  const { page, close } = await open("model=mnist-vae&seed=7");
  const original = await first(page);
  const slider = page.getByRole("slider", { name: "Temperature, slider" });
  await slider.focus();
  for (let i = 0; i < 6; i += 1) await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => /c\.temperature=0\.\d/.test(location.hash));
  await drawn(page, 7);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForFunction(() => !location.hash.includes("c.temperature"));
  assert.equal(await first(page), original);
  await close();
});

test("undo goes back to the model before, with its controls and its pictures", async () => {
  const { page, trouble, close } = await open("model=mnist-vae&seed=7&c.temperature=0.5&c.class=3");
  const original = await canvases(page, "pofx-sampler .grids > div");
  await page.locator("pofx-chooser summary").click();
  await page.locator("pofx-chooser li button", { hasText: "Binarised" }).first().click();
  await page.waitForFunction(() => location.hash.includes("model=binary-mnist-vae"));
  await drawn(page, 7);
  await page.getByRole("button", { name: "Random seed" }).click();
  await page.waitForFunction(() => !/seed=7(&|$)/.test(location.hash));
  await drawn(page, await seed(page));
  await page.getByRole("button", { name: "Undo" }).click();
  await drawn(page, 7);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForFunction(() => location.hash.includes("model=mnist-vae"));
  await drawn(page, 7);
  assert.match(await page.evaluate(() => location.hash), /c\.temperature=0\.5/);
  assert.match(await page.evaluate(() => location.hash), /c\.class=3/);
  assert.deepEqual(await canvases(page, "pofx-sampler .grids > div"), original);
  assert.match(await page.locator("pofx-chooser summary").innerText(), /VAE on MNIST/);
  assert.ok(await page.getByRole("button", { name: "Undo" }).isDisabled());
  await close();
  assert.deepEqual(trouble, []);
});

test("two settings are compared side by side under one seed, swapped, and let go", async () => {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 360, height: 780 }]) {
    const { page, trouble, close } = await open("model=mnist-vae&seed=7", { viewport });
    const [now, before] = ["pofx-sampler .grids > div", "pofx-pinned"];
    const a = await canvases(page, now);
    await page.getByRole("button", { name: "Compare" }).click();
    await page.getByText("Nothing differs yet").waitFor();
    await typeInto(page.locator("pofx-sampler #temperature"), "0.5");
    await page.waitForFunction(() => location.hash.includes("c.temperature=0.5"));
    await page.locator("pofx-pinned dl", { hasText: /Temperature\s*1 → 0.5/ }).waitFor();
    const b = await canvases(page, now);
    assert.notDeepEqual(b, a);
    assert.deepEqual(await canvases(page, before), a);
    await page.getByRole("button", { name: "Swap" }).click();
    await page.locator("pofx-pinned dl", { hasText: /Temperature\s*0.5 → 1/ }).waitFor();
    await drawn(page, 7);
    assert.deepEqual([await canvases(page, now), await canvases(page, before)], [a, b]);
    // Another seed is another seed for both.
    await page.locator("p-of-x #seed").fill("8");
    await generate(page);
    await drawn(page, 8);
    await page.waitForFunction(() => document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler").shadowRoot.querySelector("pofx-pinned").step.seed === 8);
    assert.notDeepEqual(await canvases(page, before), b);
    const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
    assert.deepEqual(violations, []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/compared-${viewport.width}.png`, fullPage: true });
    await page.getByRole("button", { name: "Stop comparing" }).click();
    assert.equal(await page.locator("pofx-pinned").count(), 0);
    await close();
    assert.deepEqual(trouble, []);
  }
});

for (const [id, quick] of cases([["mnist-vae", ""], ["mnist-diffusion", "&c.steps=4"], ["mnist-gan", ""]], (_, i) => i === 0)) {
  test(`${id}: a sample is varied, and a walk leads from one to another`, async () => {
    const { page, trouble, close } = await open(`model=${id}&seed=7${quick}`);
    const large = page.locator("pofx-large");
    const pick = async (i) => {
      await page.locator("pofx-sampler [role=option]").nth(i).click();
      await large.getByRole("heading", { name: `Sample ${i + 1} of seed 7` }).waitFor();
    };
    const before = await canvases(page, "pofx-sampler");
    await pick(1);
    await large.getByRole("button", { name: "Walk from it" }).click();
    await large.getByText("Now choose the sample to walk to").waitFor();
    await pick(4);
    await large.getByRole("button", { name: "Walk to it from sample 2" }).click();
    if (id === "mnist-gan") await page.locator("pofx-sampler .progress").getByText("Looking for it in the latent space").waitFor();
    await large.waitFor({ state: "detached" });
    await drawn(page, 7);
    const walked = await canvases(page, "pofx-sampler");
    assert.equal(walked.length, 16);
    assert.notDeepEqual(walked, before);
    assert.equal(new Set(walked).size > 8, true, "the way has different pictures");
    assert.equal(await page.locator("pofx-controls .error").count(), 0);
    await page.getByRole("button", { name: "Undo" }).click();
    await drawn(page, 7);
    assert.deepEqual(await canvases(page, "pofx-sampler"), before);
    await pick(2);
    await large.getByRole("button", { name: "Vary it" }).click();
    await large.waitFor({ state: "detached" });
    await drawn(page, 7);
    assert.notDeepEqual(await canvases(page, "pofx-sampler"), before);
    assert.equal(await page.locator("pofx-controls .error").count(), 0);
    if (id !== "mnist-diffusion") return void (await close());
    await page.getByRole("button", { name: "Reset to defaults" }).click();
    await drawn(page, 7);
    await pick(0);
    await paintOver(page, large);
    await close();
    assert.deepEqual(trouble, []);
  });
}

/** Paints over a part of the large sample with the brush: what is not painted is drawn as it was. @param {import("playwright-core").Page} page @param {import("playwright-core").Locator} large */
async function paintOver(page, large) {
  await large.getByRole("button", { name: "Paint over a part" }).click();
  const brush = page.locator("pofx-mask .holes");
  await brush.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await brush.boundingBox();
  await page.mouse.move(x + 0.3 * width, y + 0.5 * height);
  await page.mouse.down();
  await page.mouse.move(x + 0.7 * width, y + 0.5 * height, { steps: 12 });
  await page.mouse.up();
  await typeInto(page.locator("pofx-sampler #steps"), "4");
  await generate(page);
  await page.waitForFunction(() => {
    const sampler = document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler");
    return !sampler.sampling && !sampler.stale && sampler.step.done === sampler.step.n;
  }, undefined, { timeout: 60_000 });
  const { painted, kept, drawnAnew } = await page.evaluate(() => {
    const { step, values } = document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler");
    const { image, mask } = values;
    const levels = [...step.images].map((level, i) => ({ keeps: mask[i % mask.length], away: Math.abs(level - image.data[i % mask.length]) }));
    const of = (keeps) => levels.filter((level) => level.keeps === keeps).map(({ away }) => away);
    return { painted: mask.filter((keeps) => !keeps).length, kept: Math.max(...of(1)), drawnAnew: Math.max(...of(0)) };
  });
  assert.ok(painted > 20 && painted < 100, `${painted} pixels are painted`);
  assert.equal(kept, 0, "what is not painted is the picture itself");
  assert.ok(drawnAnew > 50, `${drawnAnew} levels away where it was painted`);
}

test("a job takes the place of the one that runs: other seed, fewer pictures, and nothing of the first is left", async () => {
  const { page, trouble, close } = await open("model=mnist-diffusion&seed=7&c.steps=12");
  const before = await canvases(page, "pofx-sampler");
  await page.locator("p-of-x #seed").fill("9");
  await generate(page);
  await page.locator("pofx-sampler .progress").getByText(/^Step \d+ of 12, \d+ of 16 pictures/).waitFor();
  await page.locator("p-of-x #seed").fill("7");
  await page.getByLabel("Pictures", { exact: true }).selectOption("4");
  await drawn(page, 7);
  // Noise depends on the seed and a picture's number alone.
  assert.deepEqual(await canvases(page, "pofx-sampler"), before.slice(0, 4));
  await page.waitForTimeout(300);
  assert.deepEqual(await canvases(page, "pofx-sampler"), before.slice(0, 4));
  await close();
  assert.deepEqual(trouble, []);
});

test("the survey of a map of two latents is stopped, goes on where it stood, and ends with its model", async () => {
  const { page, trouble, close } = await open("model=mnist-vae-2d&seed=7");
  // Slow enough to be stopped.
  await page.locator("pofx-sampler").evaluate(({ model }) => {
    const sample = model.sample.bind(model);
    model.sample = async function* (options) {
      await new Promise((resolve) => setTimeout(resolve, options.latent ? 20 : 0));
      yield* sample(options);
    };
  });
  const latent = page.locator("pofx-controls details", { has: page.locator("pofx-latent") }).first();
  const toggle = latent.locator("summary");
  const progress = page.locator("pofx-sampler .progress").getByText(/^\d+ of 121 pictures of the map$/);
  const pictures = () => canvasesIn(latent.locator(".atlas canvas"));
  await toggle.click();
  await progress.waitFor();
  await latent.locator(".atlas canvas").nth(10).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  assert.equal(await progress.count(), 0);
  const stopped = await pictures();
  await page.waitForTimeout(100);
  assert.ok(stopped.length < 121 && (await pictures()).length === stopped.length, `${stopped.length} pictures`);
  await toggle.click();
  await toggle.click();
  await latent.locator(".atlas canvas").nth(stopped.length + 10).waitFor();
  assert.deepEqual((await pictures()).slice(0, stopped.length), stopped);
  await page.locator("p-of-x").evaluate((element) => element.setAttribute("model", "mnist-vae"));
  await page.waitForFunction(() => location.hash.includes("model=mnist-vae&"));
  await drawn(page, 7);
  assert.equal(await progress.count(), 0);
  assert.equal(await page.locator("p-of-x .alert").count(), 0);
  await close();
  assert.deepEqual(trouble, []);
});

test("a diffusion sample: the film of its way is saved as an animation with its recipe, and it is sent to the room that asks", async () => {
  const { page, trouble, close } = await open("model=mnist-diffusion&seed=7&c.steps=12", { viewport: { width: 360, height: 780 }, colorScheme: "dark" });
  await page.locator("pofx-sampler [role=option]").nth(3).click();
  const large = page.locator("pofx-large");
  const film = await savedBy(page, () => large.getByRole("button", { name: "Film" }).click());
  const text = film.bytes.toString("latin1");
  assert.equal(film.name, "mnist-diffusion-7-4.film.png");
  assert.ok(text.includes("acTL") && text.includes('"model":"mnist-diffusion"') && text.split("fcTL").length > 4);
  await large.locator(".value", { hasText: /−\d/ }).waitFor({ timeout: 60_000 });
  const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
  assert.deepEqual(violations, []);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/large-360.png`, fullPage: true });
  await large.getByRole("button", { name: "Ask more about it" }).click();
  await page.waitForFunction(() => location.hash.includes("room=ask"));
  await page.locator("pofx-asker .caption", { hasText: "Sample 4 of seed 7" }).waitFor();
  await page.locator("pofx-answer:not([stale]) .value", { hasText: /−\d/ }).waitFor({ timeout: 60_000 });
  await takeBackOnPad(page);
  await close();
  assert.deepEqual(trouble, []);
});

/** Draws on a picture, clears it, and takes both back. @param {import("playwright-core").Page} page */
async function takeBackOnPad(page) {
  const ink = page.locator("pofx-pad .ink");
  const undo = page.locator("pofx-asker").getByRole("button", { name: "Undo" });
  const caption = page.locator("pofx-asker .caption").first();
  const seen = () => ink.evaluate((canvas) => canvas.toDataURL());
  assert.ok(await undo.isDisabled());
  const shown = await seen();
  await ink.scrollIntoViewIfNeeded();
  const { x, y, width } = await ink.boundingBox();
  await page.mouse.move(x + 20, y + 20);
  await page.mouse.down();
  await page.mouse.move(x + width - 20, y + 20, { steps: 6 });
  await page.mouse.up();
  await caption.getByText("Your drawing").waitFor();
  const withStroke = await seen();
  assert.notEqual(withStroke, shown);
  await page.locator("pofx-asker").getByRole("button", { name: "Clear" }).click();
  assert.notEqual(await seen(), withStroke);
  await undo.click();
  assert.equal(await seen(), withStroke);
  await caption.getByText("What was on the pad before").waitFor();
  await ink.focus();
  await page.keyboard.press("Control+z");
  assert.equal(await seen(), shown);
  assert.ok(await undo.isDisabled());
  await page.locator("pofx-answer:not([stale]) .value", { hasText: /−\d/ }).waitFor({ timeout: 60_000 });
}

test("recent results stay in the browser, are gone back to, and are deleted", async () => {
  const { page, trouble, close } = await open("model=mnist-vae&seed=7&c.temperature=0.7", { viewport: { width: 360, height: 780 } });
  const original = await first(page);
  const recent = page.locator("pofx-recent");
  const entries = recent.locator(".result");
  const named = (seed) => entries.filter({ hasText: `mnist-vae, seed ${seed},` });
  await named(7).waitFor();
  for (const next of ["21", "22"]) {
    await page.locator("p-of-x #seed").fill(next);
    await generate(page);
    await drawn(page, next);
    await named(next).waitFor();
  }
  assert.match(await recent.locator(".about").first().innerText(), /^3 in this browser, \d+ kB$/);
  const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
  assert.deepEqual(violations, []);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/recent-360.png`, fullPage: true });

  const undo = recent.getByRole("button", { name: "Undo" });
  const remove = async () => {
    await recent.getByRole("button", { name: /^Delete mnist-vae, seed 21/ }).click();
    await named(21).waitFor({ state: "detached" });
    await recent.getByText("1 result was deleted.").waitFor();
  };
  await remove();
  await page.keyboard.press("Enter");
  await named(21).waitFor();
  assert.equal(await undo.count(), 0);
  await remove();
  await page.reload();
  await named(7).waitFor();
  assert.equal(await named(21).count(), 0);
  await named(7).click();
  await drawn(page, 7);
  assert.equal(await first(page), original);
  assert.match(page.url(), /c\.temperature=0\.7/);
  const all = await entries.allInnerTexts();
  await recent.getByRole("button", { name: "Delete all" }).click();
  await entries.first().waitFor({ state: "detached" });
  await undo.click();
  await entries.nth(all.length - 1).waitFor();
  assert.deepEqual(await entries.allInnerTexts(), all);
  await recent.getByRole("button", { name: "Delete all" }).click();
  await entries.first().waitFor({ state: "detached" });
  await close();
  assert.deepEqual(trouble, []);
});

for (const [id, label, count, word] of cases([["mnist-gan", "class", 10, "4"], ["nouns-gan", "heads", 40, undefined]], (_, i) => i === 0)) {
  test(`${id}: the values of ${label} as pictures, of which one is chosen by keyboard`, async () => {
    const { page, trouble, close } = await open(`model=${id}&seed=7`, { viewport: { width: 360, height: 780 } });
    const before = await first(page);
    const toggle = page.getByRole("button", { name: new RegExp(`^${label} as pictures`, "i") });
    await toggle.click();
    const pictures = page.locator("pofx-class-pictures");
    await pictures.locator("[role=option]:not([aria-disabled=true])").nth(count - 1).waitFor({ timeout: 60_000 });
    assert.equal(await pictures.locator("[role=option]").count(), count);
    assert.equal(await pictures.getByText("the list above has them all").count(), word ? 0 : 1);
    const painted = await pictures.locator("canvas").evaluateAll((all) => all.map((canvas) => canvas.toDataURL()));
    assert.ok(new Set(painted).size > count / 2, "they differ");
    await pictures.locator("[role=option]").first().focus();
    for (let i = 0; i < 4; i += 1) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.waitForFunction((label) => location.hash.includes(`c.${label}=`), label);
    if (word) assert.match(page.url(), new RegExp(`c\\.${label}=${word}`));
    await drawn(page, 7);
    assert.notEqual(await first(page), before);
    assert.equal(await pictures.locator("[aria-selected=true]").count(), 1);
    const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
    assert.deepEqual(violations, []);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/classes-${id}.png`, fullPage: true });
    await toggle.click();
    await pictures.waitFor({ state: "detached" });
    await close();
    assert.deepEqual(trouble, []);
  });
}
