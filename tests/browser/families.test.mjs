// Every family through the public API on both backends: the same pictures for the same seed, controls as the card declares
// them, trajectories, latents, masks, answers, stops. The smallest shipped models of each family, grey and coloured, stand for it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IN_FIREFOX, NEEDS_WEBGPU, cases, launch } from "./support/browser.mjs";
import { LISTED, card, oneOfEachFamilyAndColour, openApi } from "./support/lab.mjs";

/** So that a test takes seconds where the GPU is software. @type {Record<string, object>} */
const QUICK = { diffusion: { steps: 4 } };
/**
 * How much one value of a picture may differ between engines. Rounding: 6e-7 was measured for the VAE, 2.5e-6 for GANs. A diffusion
 * model ends on one of 256 levels, and was measured to end on the same one; rounding may take it to the next.
 */
const APART = { vae: 2e-5, gan: 5e-5, diffusion: 1.001 / 255 };

/**
 * How much an answer to the same question with the same seed may differ between engines. A sum of f32 terms in another order: 2e-4 nats
 * of 3,400 was measured for the VAE, 3e-5 of 1,990 for the transformer, 7e-5 of 9 for a GAN's ratio.
 * @param {number} nats
 */
const apart = (nats) => 1e-3 + 1e-6 * Math.abs(nats);

const BACKENDS = IN_FIREFOX ? ["cpu"] : ["cpu", "webgpu"];

/** @type {import("playwright-core").Browser} */
let browser;
/** A page for each model and backend: opening one on a software GPU takes seconds. @type {Map<string, ReturnType<typeof openModel>>} */
const pages = new Map();
before(async () => void (browser = await launch()));
after(async () => {
  for (const site of pages.values()) await (await site).close();
  await browser.close();
});

/** The page of a model on a backend. @param {string} id @param {string} backend @param {object} quick */
function pageOf(id, backend, quick) {
  const key = `${id} ${backend}`;
  if (!pages.has(key)) pages.set(key, openModel(id, backend, quick));
  return pages.get(key);
}

/** Opens a model on a page with the API alone, and helpers around it. @param {string} id @param {string} backend @param {object} quick */
async function openModel(id, backend, quick) {
  const site = await openApi(browser);
  await site.page.evaluate(
    async ([id, backend, quick]) => {
      globalThis.model = await api.open(id, { backend });
      /** The last step of drawing, with all of them. */
      globalThis.draw = async (options) => {
        const steps = [];
        for await (const step of model.sample({ n: 4, seed: 7, ...quick, ...options })) steps.push(step);
        return { last: steps.at(-1), steps };
      };
      globalThis.picture = ({ images, width, height, channels }, i) => {
        const size = width * height * channels;
        return { data: images.slice(i * size, (i + 1) * size), width, height, channels };
      };
      globalThis.far = (a, b) => a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / a.length;
    },
    [id, backend, quick],
  );
  return site;
}

for (const [family, id] of cases(oneOfEachFamilyAndColour(), ([, id]) => card(id).image.channels === 1)) {
  const { image, controls } = card(id);
  const has = (name) => controls.some((control) => control.name === name);
  const size = image.channels * image.size * image.size;
  const quick = QUICK[family] ?? {};

  for (const backend of BACKENDS) {
    test(`${id} on ${backend}: pictures of the card's size, the same for the same seed, whatever is drawn with them`, async () => {
      const { page, trouble } = await pageOf(id, backend, quick);
      const { name, four, one, others, shape } = await page.evaluate(async (onCpu) => {
        const [four, one] = [await draw(), await draw({ n: 1 })];
        // A software GPU takes half a minute for four pictures of a transformer: what the numbers are for is the same code on both.
        const others = onCpu ? [await draw(), await draw({ seed: 8 })] : [];
        const { width, height, channels, done } = four.last;
        const bytes = ({ last }) => [...last.images];
        return { name: model.backend.name, four: bytes(four), one: bytes(one), others: others.map(bytes), shape: { width, height, channels, done } };
      }, backend === "cpu");
      assert.equal(name, backend);
      assert.deepEqual(shape, { width: image.size, height: image.size, channels: image.channels, done: 4 });
      assert.equal(four.length, 4 * size);
      if (backend === "cpu") {
        assert.deepEqual(four, others[0]);
        assert.notDeepEqual(four, others[1]);
      }
      const first = four.slice(0, size);
      const largest = Math.max(...one.map((v, i) => Math.abs(v - first[i])));
      // On a GPU another batch is another kernel, so a level may be rounded the other way.
      assert.ok(largest <= (backend === "cpu" ? 0 : 2), `${largest} levels`);
      // A page without an icon is asked for one.
      assert.deepEqual(trouble.filter((line) => !line.includes("favicon")), []);
    });

    test(`${id} on ${backend}: a stop is heard, and the next job runs`, async () => {
      const { page } = await pageOf(id, backend, quick);
      const { error, waited, done } = await page.evaluate(async () => {
        const controller = new AbortController();
        let stopped;
        const onProgress = () => {
          stopped ??= performance.now();
          controller.abort();
        };
        const error = await outcome(draw({ n: 64, signal: controller.signal, onProgress }));
        const waited = performance.now() - stopped;
        return { error, waited, done: (await draw({ n: 1 })).last.done };
      });
      assert.equal(error.code, "aborted");
      assert.ok(waited < 100, `${waited} ms`);
      assert.equal(done, 1);
    });
  }

  test(`${id}: an answer of the family's kind, or the reason why there is none, and the same on both engines`, async () => {
    const drawn = await (await pageOf(id, "cpu", quick)).page.evaluate(async () => {
      const { data, ...shape } = picture((await draw({ n: 1 })).last, 0);
      return { ...shape, data: [...data] };
    });
    const answers = [];
    for (const backend of BACKENDS) {
      const { page } = await pageOf(id, backend, quick);
      answers.push(
        await page.evaluate(async (drawn) => {
          const ask = async (estimator) => {
            const { nats, std_error, effective_samples, kind, bits_per_dim, terms, scored } = await model.logProb(drawn, { seed: 1, estimator });
            return { nats, std_error, effective_samples, kind, bits_per_dim, terms: [...terms], pixels: scored.pixels.length };
          };
          return { own: await ask("own"), ratio: model.estimators.includes("ratio") ? await ask("ratio") : undefined };
        }, drawn),
      );
    }
    const kinds = { vae: "lower_bound", diffusion: "lower_bound", transformer: "exact" };
    for (const { own: e, ratio } of answers) {
      if (family === "gan") {
        assert.match(e.kind.undefined, /density/);
        assert.equal(ratio.kind, "density_ratio");
        continue;
      }
      assert.equal(e.kind, kinds[family]);
      assert.ok(Number.isFinite(e.nats) && e.nats < 0, `${e.nats}`);
      // A colour of a palette is one value, not three.
      const values = family === "transformer" ? image.size ** 2 : size;
      assert.ok(Math.abs(e.bits_per_dim + e.nats / values / Math.LN2) < 1e-3);
      // An exact number has no error; of a bound that few samples decide none can be told.
      assert.ok(family === "transformer" ? e.std_error === null : e.std_error === null ? e.effective_samples < 10 : e.std_error > 0);
      assert.equal(e.terms.length % (image.size * image.size), 0);
      assert.ok(e.terms.every(Number.isFinite));
      assert.equal(e.pixels, size);
    }
    const [cpu, webgpu] = answers.map(({ own, ratio }) => (ratio ?? own).nats);
    if (BACKENDS.length > 1) assert.ok(Math.abs(cpu - webgpu) <= apart(cpu), `${cpu} and ${webgpu}`);
  });

  test(`${id}: pictures that are black, white or noise have a finite number, or a sentence why there is none`, async () => {
    const { page } = await pageOf(id, "cpu", quick);
    const answers = await page.evaluate(async () => {
      const { size, channels } = model.card.image;
      // Hashed indices: noise that is the same in every run.
      const noise = (_, i) => (Math.imul(i + 1, 2654435761) >>> 24) & 255;
      const pictures = { black: () => 0, white: () => 255, noise };
      const answers = [];
      for (const [what, level] of Object.entries(pictures)) {
        const picture = { width: size, height: size, channels, data: Array.from({ length: channels * size * size }, level) };
        for (const estimator of model.estimators.filter((name) => ["own", "ratio"].includes(name))) {
          const { value: e, code, message } = await outcome(model.logProb(picture, { seed: 1, estimator }));
          const numbers = e && [e.nats, e.bits_per_dim, e.std_error ?? 0, ...e.terms, ...Object.values(e.place).flat().map((v) => v?.percentile ?? v ?? 0)];
          answers.push({ what: `${what}, ${estimator}`, code, message, kind: e?.kind, nats: e?.nats, bad: numbers?.filter((v) => !Number.isFinite(v)).length });
        }
      }
      return answers;
    });
    for (const { what, code, message, kind, nats, bad } of answers) {
      const refusal = message ?? kind?.undefined;
      if (refusal) assert.ok((code ?? "bad-request") === "bad-request" && /[a-z]{3}/.test(refusal) && !/NaN/.test(refusal), `${what}: ${refusal}`);
      // A ratio has no bits of its own.
      else assert.ok(Number.isFinite(nats) && bad === (kind === "density_ratio" ? 1 : 0), `${what}: ${nats}, ${bad} numbers that are not finite`);
    }
    assert.ok(answers.some(({ nats }) => Number.isFinite(nats)), JSON.stringify(answers));
  });

  test(`${id}: two workers draw the same pictures as one, to the bit`, async () => {
    const { page } = await pageOf(id, "cpu", quick);
    const { one, two, dones } = await page.evaluate(
      async ([id, quick]) => {
        const crew = await api.open(id, { backend: "cpu", workers: 2 });
        const options = { n: 10, seed: 3, ...quick };
        // The second worker has opened the model when this is done.
        for await (const _ of crew.sample(options));
        const [dones, bytes] = [[], {}];
        for await (const step of crew.sample(options)) {
          dones.push(step.done);
          bytes.two = [...step.images];
        }
        crew.close();
        return { ...bytes, one: [...(await draw(options)).last.images], dones };
      },
      [id, quick],
    );
    assert.deepEqual(two, one);
    assert.equal(dones.at(-1), 10);
    assert.deepEqual(dones, dones.toSorted((a, b) => a - b));
  });

  const parts = !(family in APART) && "what is drawn level by level parts for good at the first rounding";
  test(`${id}: both engines draw the same pictures`, { skip: NEEDS_WEBGPU.skip || parts }, async () => {
    const drawn = [];
    for (const backend of BACKENDS) {
      const { page } = await pageOf(id, backend, quick);
      drawn.push(await page.evaluate(async () => [...(await draw()).last.values]));
    }
    const largest = Math.max(...drawn[0].map((v, i) => Math.abs(v - drawn[1][i])));
    assert.ok(largest < APART[family], `${largest}`);
  });

  test(`${id}: the card's defaults are the defaults, and what is out of range gets a sentence that names it`, async () => {
    const { page } = await pageOf(id, "cpu", quick);
    const { same, refused } = await page.evaluate(async (quick) => {
      const defaults = Object.fromEntries(model.controls.flatMap((c) => ("default" in c && c.default !== null ? [[c.name, c.default]] : [])));
      const same = far((await draw()).last.images, (await draw({ ...defaults, ...quick })).last.images);
      const wrong = {
        number: (c) => [c.max + 1, NaN, "much", true],
        count: (c) => [c.max + 1, -1, 0.5, "many"],
        choice: () => ["no such word", 3],
        switch: () => [1, "yes"],
        label: (c) => [c.values.length, -1, "no such label"],
        latent: (c) => [new Float32Array(c.size + 1), new Float32Array(c.size).fill(NaN), 3],
        picture: () => [3, "a word"],
        mask: () => [new Uint8Array(3), true],
      };
      const refused = [];
      for (const control of model.controls) {
        for (const value of wrong[control.kind](control)) {
          const { code, message } = await outcome(draw({ [control.name]: value }));
          refused.push({ name: control.name, value: String(value), code, message });
        }
      }
      const { code, message } = await outcome(draw({ colour_of_the_sky: "blue" }));
      refused.push({ name: "colour_of_the_sky", value: "blue", code, message });
      return { same, refused };
    }, quick);
    assert.equal(same, 0);
    for (const { name, value, code, message } of refused) {
      assert.equal(code, "bad-request", `${name} = ${value}: ${message}`);
      assert.ok(message.includes(`'${name}'`), `${name} = ${value}: ${message}`);
      assert.match(message, /\.$/);
    }
  });

  if (["diffusion", "transformer"].includes(family)) {
    test(`${id}: pictures are seen on their way`, async () => {
      const { page } = await pageOf(id, "cpu", quick);
      const { steps, first } = await page.evaluate(async (options) => {
        const from = performance.now();
        let first;
        const { steps } = await draw({ ...options, onProgress: () => (first ??= performance.now() - from) });
        // What is not there yet looks as everything does in the first step: black, or the first colour of a palette.
        const ink = (images) => images.filter((v, i) => v !== steps[0].images[i]).length;
        return { first, steps: steps.map(({ step, steps, done, images, predicted }) => ({ step, steps, done, ink: ink(images), predicted: predicted?.length })) };
      }, family === "diffusion" ? { steps: 12 } : {});
      const underway = steps.filter(({ done }) => done < 4);
      assert.ok(underway.length >= 2, JSON.stringify(steps));
      for (const [a, b] of underway.slice(1).map((b, i) => [underway[i], b])) assert.ok(b.done > a.done || b.step > a.step);
      if (family === "diffusion") assert.ok(underway.every(({ predicted }) => predicted === 4 * size));
      else assert.ok(underway[underway.length >> 1].ink < steps.at(-1).ink);
      assert.ok(first < 2000, `${first} ms`);
    });
  }

  if (has("latent") && has("image")) {
    test(`${id}: a picture that was encoded is drawn again from its latent`, async () => {
      const { page } = await pageOf(id, "cpu", quick);
      const { near, apart, distance, far: measured, same } = await page.evaluate(async (options) => {
        const label = model.controls.find((c) => c.kind === "label");
        const given = { ...options, ...(label && { [label.name]: label.values[0] }) };
        const { last } = await draw({ n: 2, ...given });
        const [own, other] = [picture(last, 0), picture(last, 1)];
        const { latent, nearest, distance } = await model.encode(own, { seed: 7, ...given });
        const again = picture((await draw({ n: 1, latent, ...given })).last, 0);
        const squares = [...own.data].map((v, i) => ((v - nearest[i]) / 255) ** 2);
        const measured = Math.sqrt(squares.reduce((sum, v) => sum + v, 0) / squares.length);
        return { near: far(own.data, again.data), apart: far(own.data, other.data), distance, far: measured, same: far(nearest, again.data) };
      }, family === "diffusion" ? { steps: 20 } : {});
      assert.ok(near < apart / 2, `${near} from itself, ${apart} from another one`);
      // The distance is of numbers that were not rounded to levels.
      assert.ok(Math.abs(distance - measured) < 1 / 255, `${distance} said, ${measured} measured`);
      assert.equal(same, 0, "the nearest picture is the one that is drawn from the latent");
    });
  }

  if (has("mask")) {
    test(`${id}: what a mask keeps is kept, and the rest is filled`, async () => {
      const { page } = await pageOf(id, "cpu", quick);
      const { kept, filled } = await page.evaluate(async () => {
        const own = picture((await draw({ n: 1 })).last, 0);
        const half = (own.width * own.height) / 2;
        const mask = Array.from({ length: 2 * half }, (_, i) => (i < half ? 1 : 0));
        const { last } = await draw({ n: 2, seed: 9, image: own, mask });
        const [a, b] = [picture(last, 0).data, picture(last, 1).data];
        const top = half * own.channels;
        return { kept: Math.max(...[a, b].map((x) => far(x.slice(0, top), own.data.slice(0, top)))), filled: far(a.slice(top), b.slice(top)) };
      });
      assert.ok(kept <= 0.5, `${kept} levels`);
      assert.ok(filled > 0, "two fillings are alike");
    });
  }
}

test("a trainer's judge is no model of the page", () => {
  assert.deepEqual(LISTED.filter(({ family }) => !["vae", "gan", "diffusion", "transformer"].includes(family)), []);
});
