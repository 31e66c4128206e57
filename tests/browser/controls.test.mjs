// The page for every family: the list of models, controls built from the card, errors beside them, trajectories, answers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { megabytes } from "../../web/src/ui/format.js";
import { limits } from "../../web/src/ui/limits.js";
import { AXE } from "./support/axe.mjs";
import { cases, launch, openSite, typeInto } from "./support/browser.mjs";
import { LISTED, MODEL, card, enter, oneOfEachFamily, sampled } from "./support/lab.mjs";

const PHONE = { viewport: { width: 390, height: 844 } };
const FAMILIES = Object.fromEntries(oneOfEachFamily());
const MINUS = "−";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** The page with a model, drawn. @param {string} id @param {object} [more] of the hash @param {object} [context] */
async function openPage(id, more = {}, context = {}) {
  const quick = card(id).family === "diffusion" ? { "c.steps": "4" } : {};
  const hash = new URLSearchParams({ v: "1", model: id, ...quick, ...more });
  const site = await openSite(browser, { query: `?backend=cpu#${hash}`, context: { reducedMotion: "reduce", ...context } });
  await drawn(site.page);
  return site;
}

/** Waits until all samples are there and nothing is being drawn. @param {import("playwright-core").Page} page */
async function drawn(page) {
  await page.locator("pofx-sampler pofx-picture-list[aria-busy=false] [role=option]:not([aria-disabled=true])").first().waitFor({ timeout: 120_000 });
}

/** A control's name as the page shows it. @param {string} name */
function shown(name) {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** The first sample, as the page paints it. @param {import("playwright-core").Page} page */
function firstSample(page) {
  return page.locator("pofx-sampler [role=option] canvas").first().evaluate((canvas) => canvas.toDataURL());
}

/** Waits until the first sample is another one. */
async function redrawn(page, before) {
  const deadline = Date.now() + 60_000;
  while ((await firstSample(page)) === before) assert.ok(Date.now() < deadline, "nothing was drawn anew");
  await drawn(page);
}

/** What the open card of a model says, against the card's file. @param {import("playwright-core").Page} page @param {any} c */
async function checkCard(page, c) {
  const shown = page.locator("pofx-model-card");
  const facts = new Map(await shown.locator("dt").evaluateAll((all) => all.map((dt) => [dt.textContent.trim(), dt.nextElementSibling.textContent.replace(/\s+/g, " ").trim()])));
  const says = (/** @type {string} */ name, /** @type {(string | undefined)[]} */ ...texts) => {
    for (const text of texts) assert.ok(text && facts.get(name)?.includes(text), `${name}: ${facts.get(name)}, without ${text}`);
  };
  says("Model", c.title, c.id);
  says("Form of p(x)", c.parametric_form);
  says("Data", c.data.name, c.data.preparation);
  says("Licences", `weights ${c.licence}`, `data ${c.data.licence}`);
  says("Trained by", c.loss, c.optimiser);
  says("Size", `${c.parameters.toLocaleString("en")} parameters`, megabytes(c.weights.bytes));
  says("What it can’t do", "It knows pictures of this kind and size alone");
  says("Papers", ...c.references);
  says("Checksum", c.weights.sha256);
  const { kind, nats, std_error: error, bits_per_dim: bits, images, command, samples, precision, recall, frechet_distance: frechet } = c.metrics;
  says("Quality", kind, command, `Samples judged${samples.toLocaleString("en")}`, `Fréchet distance to the test set${frechet.toFixed(2)}`);
  for (const share of [precision, recall]) says("Quality", `${(100 * share).toFixed(1)}\u00a0%`.replace(/\s/g, " "));
  if (nats !== undefined) {
    says("Quality", `${nats.toFixed(1).replace("-", MINUS)} ± ${error.toFixed(2)} nats`, `${bits.toFixed(3)} bits per value`, `over ${images.toLocaleString("en")} test pictures`);
  }
  const [name] = c.data.name.split(",");
  if (["MNIST", "Fashion-MNIST"].includes(name)) says("Published", " 20");
  else assert.ok(!facts.has("Published"), facts.get("Published"));
  const sheet = shown.getByRole("img", { name: "100 samples of the model" });
  await sheet.scrollIntoViewIfNeeded();
  const width = (/** @type {HTMLImageElement} */ img) => img.decode().then(() => img.naturalWidth);
  assert.ok((await sheet.evaluate(width)) >= 10 * c.image.size, "the contact sheet is there");
}

test("what a model can't do follows from the figures of its card", () => {
  const good = { recall: 0.9, precision: 0.9, class_accuracy: 0.98, judge_accuracy: 0.99 };
  const said = (metrics, more = {}) => limits(/** @type {any} */ ({ family: "transformer", metrics: { ...good, ...metrics }, reference: null, ...more }));
  const plain = said({});
  assert.equal(said({}, { metrics: null }), plain, "what was not measured says nothing");
  assert.ok(!/test pictures|samples/.test(plain), plain);
  assert.match(said({ recall: 0.056 }), /It misses much of the data: 6\s% of test pictures lie among its samples\./);
  assert.match(said({ precision: 0.6 }), /40\s% of its samples lie off the data\./);
  assert.match(said({ class_accuracy: 0.5 }), /right about 99\s% of test pictures finds it in 50\s% of its samples/);
  const others = (surprise) => ({ reference: { others: [{ name: "noise", auroc: { surprise: 1 } }, { name: "digits", auroc: { surprise } }] } });
  assert.match(said({}, others(0.04)), /a picture of digits and a test picture, the former is the likelier one in 96\s% of pairs/);
  assert.equal(said({}, others(0.6)), plain);
  assert.match(said({}, { calibration: { auc: 0.95 } }), /discriminator tells which of two is the real one in 95\s% of pairs/);
  // The shipped model with the least recall.
  assert.match(limits(card("mnist-vae-2d")), /less than 1\s% of test pictures lie among its samples/);
});

test("the list has every model with its family and size, and opens the one that is chosen, from the keyboard", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu" });
  await sampled(page);
  const entries = page.locator("pofx-chooser li button");
  assert.equal(await entries.count(), 0, "nothing is loaded before the list is opened");
  await page.locator("pofx-chooser summary").focus();
  await page.keyboard.press("Enter");
  await entries.first().waitFor();
  const texts = await entries.allInnerTexts();
  assert.equal(texts.length, LISTED.length);
  for (const { title } of LISTED) assert.ok(texts.some((text) => text.includes(title)), title);
  assert.ok(texts.every((text) => /\d (kB|MB)/.test(text)), texts.join("; "));
  const families = new Set(LISTED.map(({ family }) => family));
  assert.equal(await page.locator("pofx-chooser section h2").count(), families.size);
  const other = LISTED.find(({ id }) => id !== MODEL);
  if (other) {
    await entries.filter({ hasText: other.title }).first().focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction((id) => location.hash.includes(`model=${id}`), other.id, { timeout: 120_000 });
    assert.match(await page.locator("pofx-chooser summary").innerText(), new RegExp(other.title.replace(/[()]/g, "\\$&")));
    await drawn(page);
  }
  await close();
  assert.deepEqual(trouble, []);
});

test("a link to a model that is not there says so, and another one can be opened", async () => {
  const { page, close } = await openSite(browser, { query: "?backend=cpu#v=1&model=no-such-model" });
  const alert = page.locator("p-of-x .alert p");
  await alert.waitFor();
  assert.match(await alert.innerText(), /^There is no model named “no-such-model”/);
  await page.locator("pofx-chooser summary").click();
  await page.locator("pofx-chooser li button").filter({ hasText: card(MODEL).title }).click();
  await drawn(page);
  assert.equal(await alert.count(), 0);
  await close();
});

for (const id of cases(Object.values(FAMILIES), (id) => id === FAMILIES.vae)) {
  const { controls, image } = card(id);

  test(`${id}: a field for each control, with its name and its help`, async () => {
    const { page, trouble, close } = await openPage(id);
    for (const { name, kind, help } of controls) {
      if (["latent", "picture", "mask"].includes(kind)) continue;
      assert.equal(await page.locator(`pofx-sampler pofx-controls label[for=${name}]`).innerText(), shown(name));
      const field = page.locator(`pofx-sampler pofx-controls #${name}`);
      assert.equal(await field.count(), 1, name);
      const described = (await field.getAttribute("aria-describedby")) ?? "";
      assert.equal(await page.locator(`pofx-sampler pofx-controls #${described}`).innerText(), help.replace(/`(\w+)`/g, (_, word) => `“${shown(word)}”`));
    }
    const large = controls.filter(({ kind }) => ["latent", "picture", "mask"].includes(kind));
    assert.equal(await page.locator("pofx-sampler pofx-controls summary").count(), large.length);
    const grid = page.locator("pofx-sampler [role=option] canvas").first();
    assert.equal(await grid.evaluate((canvas) => canvas.width), image.size);
    await page.locator("pofx-model-card summary").click();
    await checkCard(page, card(id));
    await close();
    assert.deepEqual(trouble, []);
  });

  const number = controls.find(({ kind, name }) => kind === "number" && ["temperature", "truncation", "guidance"].includes(name));
  const label = controls.find(({ kind }) => kind === "label");
  if (number) {
    const { name, min, max } = number;
    test(`${id}: ${name} steers the samples, its errors stand beside it, the link keeps it, a button resets it`, async () => {
      const { page, url, close } = await openPage(id, label ? { [`c.${label.name}`]: label.values[1] } : {});
      const before = await firstSample(page);
      const field = page.locator(`pofx-sampler pofx-controls #${name}`);
      await typeInto(field, String(min + (max - min) / 8));
      await page.locator("pofx-sampler").getByRole("button", { name: "Generate" }).click();
      await redrawn(page, before);
      await page.waitForFunction((name) => location.hash.includes(`c.${name}=`), name);
      const steered = await firstSample(page);

      await typeInto(field, "very");
      await page.locator("pofx-sampler").getByRole("button", { name: "Generate" }).click();
      const error = page.locator(`pofx-controls #${name}-error`);
      await error.waitFor();
      assert.match(await error.innerText(), new RegExp(`^'${name}' is a number from`));
      assert.equal(await field.getAttribute("aria-invalid"), "true");
      assert.equal(await page.locator("p-of-x .alert").count(), 0);
      await typeInto(field, String(max + 1));
      await page.locator("pofx-sampler").getByRole("button", { name: "Generate" }).click();
      await page.locator(`pofx-controls #${name}-error`, { hasText: `not ${max + 1}.` }).waitFor();

      const other = await page.context().newPage();
      await other.goto(`${url}?backend=cpu${new URL(page.url()).hash}`);
      await drawn(other);
      assert.equal(await firstSample(other), steered);
      await other.getByRole("button", { name: "Reset to defaults" }).click();
      await redrawn(other, steered);
      assert.ok(!new URL(other.url()).hash.includes(`c.${name}=`));
      await close();
    });
  }

  test(`${id}: axe finds nothing with everything open; a phone is wide enough`, async () => {
    const { page, trouble, close } = await openPage(id, {}, PHONE);
    await page.locator("pofx-sampler [role=option]").first().click();
    await page.locator("summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = true)));
    await page.locator("pofx-chooser li button").first().waitFor();
    const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations)`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    await close();
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    assert.deepEqual(trouble, []);
  });

  if (controls.some(({ kind }) => kind === "picture")) {
    test(`${id}: a picture for a control: the chosen sample, a file, and away with it`, async () => {
      const { page, close } = await openPage(id);
      const { name } = controls.find(({ kind }) => kind === "picture");
      const details = page.locator("pofx-sampler pofx-controls details").filter({ has: page.locator(`#${name}-help`) });
      await details.locator("summary").click();
      const field = details.locator("pofx-picture-field");
      await page.locator("pofx-sampler [role=option]").nth(1).click();
      await field.getByRole("button", { name: "Use the chosen picture" }).click();
      assert.equal(await details.locator(".state").innerText(), "set");
      const own = await field.locator("canvas").evaluate((canvas) => canvas.width);
      assert.equal(own, image.size);
      const letter = { name: "letter.png", mimeType: "image/png", buffer: Buffer.from("Dear model") };
      await field.locator("input[type=file]").setInputFiles(letter);
      await page.locator("pofx-sampler").getByRole("button", { name: "Generate" }).click();
      const alert = page.locator("p-of-x .alert p");
      await alert.waitFor();
      assert.match(await alert.innerText(), /“letter.png” is not a picture/);
      await field.getByRole("button", { name: "Remove" }).click();
      assert.equal(await details.locator(".state").innerText(), "not set");
      await page.locator("pofx-sampler").getByRole("button", { name: "Generate" }).click();
      await drawn(page);
      assert.equal(await alert.count(), 0);
      await close();
    });
  }
}

if (FAMILIES.diffusion) {
  test("diffusion: the way of a picture is shown, as it was and as it was taken for; drawing can be stopped", async () => {
    const { page, trouble, close } = await openPage(FAMILIES.diffusion, { "c.steps": "12" });
    const strips = page.locator("pofx-film .strip");
    assert.equal(await strips.count(), 2);
    const frames = await strips.first().locator("canvas").evaluateAll((all) => all.map((canvas) => canvas.toDataURL()));
    assert.ok(frames.length >= 3, `${frames.length} frames`);
    assert.equal(new Set(frames).size, frames.length, "frames differ");
    await page.locator("pofx-sampler").getByRole("button", { name: "Random seed" }).click();
    await page.locator("pofx-sampler").getByRole("radio", { name: /taken for/ }).check();
    await drawn(page);
    await typeInto(page.locator("pofx-controls #steps"), "1000");
    await page.locator("pofx-sampler").getByRole("button", { name: "Generate" }).click();
    await page.locator("pofx-sampler .progress", { hasText: /Step \d+ of 1000/ }).waitFor({ timeout: 30_000 });
    await page.locator("pofx-sampler").getByRole("button", { name: "Stop" }).click();
    await page.locator("pofx-sampler pofx-picture-list[aria-busy=false]").waitFor({ timeout: 1000 });
    await close();
    assert.deepEqual(trouble, []);
  });

  test("diffusion: a mask from the keyboard", async () => {
    const { page, close } = await openPage(FAMILIES.diffusion);
    const details = page.locator("pofx-controls details").filter({ has: page.locator("pofx-mask") });
    await details.locator("summary").click();
    const mask = details.locator("pofx-mask");
    await mask.getByRole("button", { name: "Keep the top half" }).click();
    const brush = mask.getByRole("application");
    const { size } = card(FAMILIES.diffusion).image;
    assert.match(await brush.getAttribute("aria-label"), new RegExp(`${(size * size) / 2} of ${size * size} pixels`));
    await brush.focus();
    await page.keyboard.press("Home");
    for (let i = 0; i < 4; i += 1) await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Space");
    assert.match(await brush.getAttribute("aria-label"), new RegExp(`${(size * size) / 2 + 9} of`));
    await mask.getByRole("button", { name: "No mask" }).click();
    assert.match(await brush.getAttribute("aria-label"), /not set/);
    await close();
  });
}

if (FAMILIES.gan) {
  test("gan: log p(x) is not defined, and a sentence says why", async () => {
    const { page, close } = await openPage(FAMILIES.gan);
    await enter(page, "Ask");
    await page.locator("pofx-answer .value", { hasText: "not defined" }).waitFor({ timeout: 30_000 });
    assert.match(await page.locator("pofx-answer .rank").innerText(), /^[A-Z].*\.$/);
    assert.equal(await page.locator("pofx-answer", { hasText: "NaN" }).count(), 0);
    await close();
  });
}

const mapped = LISTED.map(({ id }) => id).find((id) => card(id).controls.some((c) => c.kind === "latent" && c.size === 2));
if (mapped) {
  test(`${mapped}: the map of two latents, by pointer and by arrow keys`, async () => {
    const { page, trouble, close } = await openPage(mapped);
    await page.locator("pofx-controls details").filter({ has: page.locator("pofx-latent") }).first().locator("summary").click();
    const map = page.locator("pofx-latent .map svg").first();
    const before = await firstSample(page);
    await map.click({ position: { x: 40, y: 40 } });
    await redrawn(page, before);
    assert.equal(await page.locator("pofx-sampler [role=option]").count(), 1, "one point is one picture");
    const pointed = await firstSample(page);
    const label = await map.getAttribute("aria-label");
    await map.focus();
    for (let i = 0; i < 20; i += 1) await page.keyboard.press("ArrowRight");
    await redrawn(page, pointed);
    assert.notEqual(await map.getAttribute("aria-label"), label);
    await page.locator("pofx-latent").first().getByRole("button", { name: "Not set" }).click();
    await drawn(page);
    assert.equal(await page.locator("pofx-sampler [role=option]").count(), 16);
    await close();
    assert.deepEqual(trouble, []);
  });
}
