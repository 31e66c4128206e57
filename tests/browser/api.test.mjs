// The public API on both backends: samples and answers, seeds, engines that agree, jobs that stop.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NEEDS_WEBGPU, launch } from "./support/browser.mjs";
import { MODEL, openApi } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof openApi>>} */
let site;
before(async () => {
  browser = await launch();
  site = await openApi(browser);
  await site.page.evaluate(async (id) => {
    globalThis.models = { cpu: await api.open(id, { backend: "cpu" }), webgpu: await api.open(id, { backend: "webgpu" }) };
  }, MODEL);
});
after(async () => {
  await site.close();
  await browser.close();
});

test("each backend is the one that was asked for, and is verified", NEEDS_WEBGPU, async () => {
  const backends = await site.page.evaluate(() => [models.cpu.backend, models.webgpu.backend]);
  assert.deepEqual(backends.map(({ name, verified }) => [name, verified]), [["cpu", true], ["webgpu", true]]);
  assert.equal(backends[0].reason, "You asked for the CPU.");
});

for (const backend of ["cpu", "webgpu"]) {
  test(`${backend}: 16 samples, black or white, the same for the same seed`, async () => {
    const [a, b, c] = await site.page.evaluate(async (name) => {
      const model = models[name];
      const draw = (seed) => samples(model, { n: 16, seed, pixels: "drawn" });
      return [await draw(7), await draw(7), await draw(8)];
    }, backend);
    assert.equal(a.images.length, 16 * 784);
    assert.equal(a.done, 16);
    assert.ok(a.images.every((v) => v === 0 || v === 255));
    assert.ok(a.values.every((v, i) => v === a.images[i] / 255));
    assert.ok(a.images.some((v) => v === 255), "no ink");
    assert.deepEqual(a.images, b.images);
    assert.notDeepEqual(a.images, c.images);
  });

  test(`${backend}: an answer with its error, its parts and 784 terms`, async () => {
    const e = await site.page.evaluate(async (name) => {
      const { terms, scored, ...rest } = await models[name].logProb(one, { seed: 1 });
      return { ...rest, terms: [...terms], pixels: [...scored.pixels], notices: scored.notices };
    }, backend);
    assert.equal(e.kind, "lower_bound");
    assert.equal(e.estimator, "IWAE k=64");
    assert.ok(e.nats < 0 && e.nats > -300, `${e.nats}`);
    assert.ok(e.std_error > 0 && e.std_error < 3, `${e.std_error}`);
    assert.ok(Math.abs(e.parts.reconstruction - e.parts.kl - e.parts.elbo) < 1e-6);
    assert.ok(e.parts.elbo <= e.nats + 3 * e.std_error);
    assert.ok(e.place.held_out >= 0 && e.place.held_out <= 100);
    assert.ok(e.place.nearer >= 0 && e.place.nearer <= 100);
    assert.equal(e.terms.length, 784);
    assert.ok(e.terms.every((t) => t >= -1e-4));
    assert.equal(e.pixels.filter((v) => v === 255).length, 80);
    assert.deepEqual(e.notices, []);
  });

  test(`${backend}: a job stops within 100 ms, and the next one runs`, async () => {
    const { waited, error, next } = await site.page.evaluate(async (name) => {
      const controller = new AbortController();
      let stopped;
      const onProgress = () => {
        stopped ??= performance.now();
        controller.abort();
      };
      const error = await outcome(models[name].logProb(one, { budget: "precise", signal: controller.signal, onProgress }));
      const waited = performance.now() - stopped;
      return { waited, error, next: await stillWorks(models[name]) };
    }, backend);
    assert.equal(error.code, "aborted");
    assert.equal(error.name, "AbortError");
    assert.ok(waited < 100, `${waited} ms`);
    assert.ok(next);
  });

  test(`${backend}: the worker itself is free again within 100 ms`, async () => {
    const { free, one: single } = await site.page.evaluate(async (name) => {
      const model = models[name];
      const timed = async (work) => {
        const from = performance.now();
        await work();
        return performance.now() - from;
      };
      const tiny = () => samples(model, { n: 1, seed: 1 });
      await tiny();
      const single = Math.max(await timed(tiny), await timed(tiny), await timed(tiny));
      const controller = new AbortController();
      const job = outcome(model.logProb(one, { budget: "precise", signal: controller.signal }));
      await new Promise((resolve) => setTimeout(resolve, 150));
      controller.abort();
      const free = await timed(tiny);
      await job;
      return { free, one: single };
    }, backend);
    assert.ok(free < 100 + single, `${free} ms, of which the next job takes ${single}`);
  });
}

test("opening on WebGPU tells how many kernels are compiled, one after the other", NEEDS_WEBGPU, async () => {
  const fresh = await openApi(browser);
  const told = await fresh.page.evaluate(async (id) => {
    const told = [];
    await api.open(id, { backend: "webgpu", onProgress: (p) => p.phase === "compile" && told.push([p.done, p.total]) });
    return told;
  }, MODEL);
  await fresh.close();
  assert.ok(told.length >= 5, `${told}`);
  for (const [done, total] of told) assert.ok(done >= 1 && done <= total, `${done} of ${total}`);
  assert.deepEqual(told[0][0], 1);
});

test("both engines draw the same pictures: probabilities within 1e-3", async () => {
  const [cpu, gpu, cpuDrawn, gpuDrawn] = await site.page.evaluate(async () => {
    const draw = (model, pixels) => samples(model, { n: 16, seed: 3, pixels });
    return [await draw(models.cpu, "mean"), await draw(models.webgpu, "mean"), await draw(models.cpu, "drawn"), await draw(models.webgpu, "drawn")];
  });
  const largest = Math.max(...cpu.values.map((p, i) => Math.abs(p - gpu.values[i])));
  assert.ok(largest < 1e-3, `${largest}`);
  const different = cpuDrawn.images.filter((v, i) => v !== gpuDrawn.images[i]).length;
  assert.ok(different <= 4, `${different} of ${cpuDrawn.images.length} pixels differ`);
});

test("both engines give the same answer: within 0.01 nats", async () => {
  const [cpu, gpu] = await site.page.evaluate(async () => {
    const ask = async (model) => (await model.logProb(one, { seed: 5 })).nats;
    return [await ask(models.cpu), await ask(models.webgpu)];
  });
  assert.ok(Math.abs(cpu - gpu) < 0.01, `${cpu} and ${gpu}`);
});

test("a loop that is left early stops the job", async () => {
  const works = await site.page.evaluate(async () => {
    for await (const step of models.cpu.sample({ n: 1000, seed: 1 })) if (step.done > 0) break;
    return stillWorks(models.cpu);
  });
  assert.ok(works);
});

test("bad seeds, counts and names get their code and one sentence", async () => {
  const errors = await site.page.evaluate(async () => {
    const sampled = (options) => outcome(samples(models.cpu, options));
    return [
      await sampled({ seed: "seven" }),
      await sampled({ seed: -1 }),
      await sampled({ seed: 1.5 }),
      await sampled({ seed: "99999999999999999999" }),
      await sampled({ n: 0 }),
      await outcome(api.open("no-such-model")),
      await outcome(api.open("../../etc/passwd")),
    ];
  });
  const codes = ["bad-seed", "bad-seed", "bad-seed", "bad-seed", "bad-request", "unknown-model", "unknown-model"];
  assert.deepEqual(errors.map(({ code }) => code), codes);
  for (const { message, recoverable } of errors) {
    assert.match(message, /^[A-Z].*\.$/);
    assert.equal(recoverable, true);
  }
  assert.ok(await site.page.evaluate(() => stillWorks(models.cpu)));
});

test("a closed model says so, and others go on", async () => {
  const [error, works] = await site.page.evaluate(async (id) => {
    const model = await api.open(id, { backend: "cpu" });
    model.close();
    return [await outcome(model.logProb(one)), await stillWorks(models.cpu)];
  }, MODEL);
  assert.equal(error.code, "bad-request");
  assert.ok(works);
});

test("nothing went wrong in silence, and nobody else was asked", () => {
  // A model that is not there shows as a failed request of our own.
  assert.deepEqual(site.trouble.filter((line) => !line.includes("404")), []);
});
