// What more can be asked of one picture: which class it is, what the other models say, and what other pictures get.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";
import { answered, card, openApi } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

const sum = (/** @type {number[]} */ values) => values.reduce((a, b) => a + b, 0);

test("p(class | x) of a digit that was asked for: shares of one, and the most of it for that digit, by transformer and VAE", async () => {
  const { page, close } = await openApi(browser);
  for (const id of ["mnist-transformer", "mnist-vae"]) {
    const { found, refused, magic } = await page.evaluate(async (id) => {
      const drawer = await api.open("mnist-transformer", { backend: "cpu" });
      let step;
      for await (step of drawer.sample({ n: 1, seed: 3, class: "4" }));
      const picture = { data: step.images, width: step.width, height: step.height };
      const model = await api.open(id, { backend: "cpu" });
      return {
        found: await model.posterior(picture, { seed: 1 }),
        refused: await outcome(model.posterior(picture, { label: "colour" })),
        magic: await outcome(model.posterior(picture, { estimator: "magic" })),
      };
    }, id);
    assert.equal(found.label, "class");
    assert.deepEqual(found.values.map(({ value }) => value), card(id).labels[0].values);
    assert.ok(Math.abs(sum(found.values.map(({ probability }) => probability)) - 1) < 1e-9);
    const best = found.values.reduce((a, b) => (b.probability > a.probability ? b : a));
    assert.equal(best.value, "4", JSON.stringify(found.values));
    // Bayes' rule: ratios of shares are those of likelihoods.
    const [a, b] = found.values;
    if (b.probability > 1e-200 && a.probability > 1e-200) {
      assert.ok(Math.abs(Math.log(a.probability / b.probability) - (a.nats - b.nats)) < 1e-6);
    }
    assert.equal(found.kind, id === "mnist-transformer" ? "exact" : "lower_bound");
    assert.match(refused.message, /no label “colour”, only: class/);
    assert.equal(magic.code, "bad-request");
  }
  await close();
});

test("p(class | x) is refused where there is none, and stops when it is told to", async () => {
  const { page, close } = await openApi(browser);
  const { gan, binary, stopped, after } = await page.evaluate(async () => {
    const gan = await outcome((await api.open("mnist-gan", { backend: "cpu" })).posterior(one));
    const binary = await outcome((await api.open("binary-mnist-vae", { backend: "cpu" })).posterior(one));
    const model = await api.open("mnist-diffusion", { backend: "cpu" });
    const control = new AbortController();
    const onProgress = () => control.abort();
    const stopped = await outcome(model.posterior(one, { signal: control.signal, onProgress }));
    const { nats } = await model.logProb(one, { seed: 1 });
    return { gan, binary, stopped, after: Number.isFinite(nats) };
  });
  assert.match(gan.message, /no p\(class \| x\)/);
  assert.match(binary.message, /trained without labels/);
  assert.equal(stopped.code, "aborted");
  assert.ok(after);
  await close();
});

test("every model with scores has places among other pictures, and the clothes model's trap is told", async () => {
  const { page, close } = await openApi(browser);
  const place = await page.evaluate(async () => (await (await api.open("fashion-vae", { backend: "cpu" })).logProb(one)).place);
  const { others } = card("fashion-vae").reference;
  assert.deepEqual(place.others.map(({ name }) => name), others.map(({ name }) => name));
  for (const { name, percentile } of place.others) assert.ok(percentile >= 0 && percentile <= 100, `${name} ${percentile}`);
  const noise = place.others.find(({ name }) => name === "uniform noise");
  assert.equal(noise.percentile, 100);
  assert.ok(Number.isFinite(place.complexity_score) && place.complexity >= 0 && place.complexity <= 100);
  const digits = others.find(({ name }) => name === "MNIST").auroc;
  assert.ok(digits.surprise < 0.5 && digits.complexity > 0.9, JSON.stringify(digits));
  await close();
});

test("the page answers which class, and compares all models on one picture", async () => {
  const { page, close } = await openSite(browser, { query: "?backend=cpu#v=1&room=ask&model=mnist-vae" });
  await answered(page);
  await page.getByRole("button", { name: "p(class | x)" }).click();
  const classes = page.getByRole("table", { name: /Probabilities of class/ });
  await classes.waitFor({ timeout: 60_000 });
  assert.equal(await classes.getByRole("row").count(), 7);
  await page.getByRole("button", { name: "Compare all models" }).click();
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached", timeout: 240_000 });
  const rows = page.getByRole("table", { name: /All models on this picture/ }).locator("tbody tr");
  const cells = await rows.evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));
  const bits = cells.map(([, value]) => Number.parseFloat(value.replace(/[≤≥≈] /, "")));
  assert.ok(cells.length >= 9, `${cells.length} models`);
  assert.ok(bits.every((b) => b > 0 && b < 20), cells.map((c) => c.join(" ")).join("\n"));
  assert.deepEqual(bits, bits.toSorted((a, b) => a - b));
  // A digit is a digit's model's.
  assert.match(cells[0][0], / on MNIST/);
  assert.ok(!cells.some(([name]) => name.includes("binarised")));
  await close();
});
