// The room that samples: a sample opened large, files of it that bring it back, and changes that are taken back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AXE } from "./support/axe.mjs";
import { launch, openSite, savedBy, typeInto } from "./support/browser.mjs";

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
const canvases = (page, within) => page.locator(`${within} [role=option] canvas`).evaluateAll((all) => all.map((canvas) => canvas.toDataURL()));

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

for (const [id, quick] of [["mnist-vae", ""], ["mnist-diffusion", "&c.steps=4"], ["mnist-gan", ""]]) {
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
    await close();
    assert.deepEqual(trouble, []);
  });
}

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
  await close();
  assert.deepEqual(trouble, []);
});

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

  await recent.getByRole("button", { name: /^Delete mnist-vae, seed 21/ }).click();
  await named(21).waitFor({ state: "detached" });
  await page.reload();
  await named(7).waitFor();
  assert.equal(await named(21).count(), 0);
  await named(7).click();
  await drawn(page, 7);
  assert.equal(await first(page), original);
  assert.match(page.url(), /c\.temperature=0\.7/);
  await recent.getByRole("button", { name: "Delete all" }).click();
  await entries.first().waitFor({ state: "detached" });
  await close();
  assert.deepEqual(trouble, []);
});

for (const [id, label, count, word] of [["mnist-gan", "class", 10, "4"], ["nouns-gan", "heads", 40, undefined]]) {
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
