// What more can be asked of one picture: which class it is, what the other models say, and what other pictures get.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { amount, verdict } from "../../web/src/ui/verdict.js";
import { launch, openSite } from "./support/browser.mjs";
import { LISTED, answered, card, openApi } from "./support/lab.mjs";

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

/** An answer of so many bits for a picture of 28 x 28. */
function answer(title, bitsAValue, kind, error = null) {
  const nat = 784 * Math.LN2;
  return { title, estimate: { nats: -bitsAValue * nat, kind, std_error: error && error * nat, scored: { width: 28, height: 28, channels: 1 } } };
}

test("a model is called the best only where its lead is beyond two standard errors and beyond what bounds leave open", () => {
  const exact = answer("A", 0.8, "exact");
  assert.equal(verdict([answer("B", 0.9, "exact"), exact]), "A needs the fewest bits: 0.800 bits a value.");
  assert.equal(verdict([answer("C", 0.7, "lower_bound", 0.01), exact]), "C needs the fewest bits: at most 0.700 bits a value.");
  const lowest = (name, text, why) => `The lowest number is that of ${name}: ${text} bits a value. Which model is the best can’t be told from that: ${why}.`;
  assert.equal(verdict([answer("B", 1.2, "lower_bound", 0.01), exact]), lowest("A", "0.800", "B has a bound only, and may need fewer"));
  const loose = [answer("C", 1.3, "lower_bound"), exact, answer("B", 1.2, "lower_bound", 0.01)];
  assert.equal(verdict(loose), lowest("A", "0.800", "all others have bounds only, and may need fewer"));
  assert.equal(verdict([...loose, answer("D", 2, "exact")]), lowest("A", "0.800", "B and C have bounds only, and may need fewer"));
  // Two standard errors of the difference of these are 0.1.
  const about = (title, bits, error) => answer(title, bits, "stochastic", error);
  const near = (a, b) => lowest("A", a, `${b} can’t be told apart from it within 2 standard errors`);
  assert.equal(verdict([about("A", 0.8, 0.03), about("B", 0.89, 0.04)]), near("about 0.800", "B"));
  assert.equal(verdict([about("A", 0.8, 0.03), about("B", 0.91, 0.04)]), "A needs the fewest bits: about 0.800 bits a value.");
  assert.equal(verdict([answer("A", 0.7, "lower_bound"), answer("B", 0.9, "exact")]), near("at most 0.700", "B"), "an error that is not known");
  assert.match(verdict([answer("A", 0.7, "upper_bound"), answer("B", 0.9, "exact")]), /: at least 0\.700 bits .*: it may itself need more/);
  assert.equal(verdict([exact, answer("B", Infinity, "exact")]), "A needs 0.800 bits a value.");
  assert.equal(verdict([]), "No model has a number for this picture.");
  assert.equal(amount(answer("D", 1.23456, "upper_bound").estimate), "at least 1.235 bits a value");
});

test("the page answers which class, and compares models on one picture: those of its data, then those of other data", async () => {
  const { page, close } = await openSite(browser, { query: "?backend=cpu#v=1&room=ask&model=mnist-vae" });
  await answered(page);
  await page.getByRole("button", { name: "p(class | x)" }).click();
  const classes = page.getByRole("table", { name: /Probabilities of class/ });
  await classes.waitFor({ timeout: 60_000 });
  assert.equal(await classes.getByRole("row").count(), 7);

  const grey = LISTED.filter(({ image, binary }) => image.channels === 1 && !binary);
  const of = { digits: LISTED.filter(({ data }) => data === "MNIST"), others: grey.filter(({ data }) => data !== "MNIST") };
  const button = (/** @type {RegExp} */ name) => page.getByRole("button", { name });
  const [first, second] = [button(/^Compare all models of MNIST/), button(/^Ask models of other data, too/)];
  // What was opened is here; the rest is told before it is downloaded.
  const size = (models) => `${(sum(models.map(({ bytes }) => bytes)) / 1e6).toFixed(1)} MB to download`;
  await first.filter({ hasText: size(of.digits.filter(({ id }) => id !== "mnist-vae")) }).waitFor();
  await second.filter({ hasText: size(of.others) }).waitFor();

  /** Asks by a button; the rows of the table that comes of it. */
  const rows = async (ask, name) => {
    await ask.click();
    await button(/^Stop$/).waitFor();
    await button(/^Stop$/).waitFor({ state: "detached", timeout: 240_000 });
    const cells = await page.getByRole("table", { name }).locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));
    const bits = cells.map(([, , value]) => Number.parseFloat(value.replace(/[≤≥≈] /, "")));
    assert.ok(bits.every((b) => b > 0 && b < 20), cells.map((c) => c.join(" ")).join("\n"));
    assert.deepEqual(bits, bits.toSorted((a, b) => a - b));
    return cells;
  };
  const digits = await rows(first, /^Models of MNIST/);
  assert.deepEqual(digits.map(([title]) => title).toSorted(), of.digits.filter(({ binary }) => !binary).map(({ title }) => title).toSorted());
  assert.ok(digits.every(([, data]) => data === "MNIST"));
  // Four of the five are bounds, so the exact number is the lowest one and no more.
  await page.getByText("The lowest number is that of Transformer on MNIST: ").last().waitFor();
  await page.getByText(/VAE on binarised MNIST is not in the table: [\s\S]* It says log p\(x\) ≥ −\d+\.\d nats/).waitFor();
  await first.and(page.getByText(/^\s*Compare all models of MNIST\s*$/)).waitFor();

  const others = await rows(second, /^Models of other data/);
  assert.deepEqual(others.map(([title, data]) => `${title}, ${data}`).toSorted(), of.others.map(({ title, data }) => `${title}, ${data}`).toSorted());
  assert.equal(await page.getByRole("table", { name: /^Models of MNIST/ }).locator("tbody tr").count(), digits.length, "the first table stays");
  await close();
});
