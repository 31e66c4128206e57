// Several workers draw together, and a worker trains: on the CPU and on WebGPU.

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
  await site.page.evaluate(() => {
    /** Stripes, each picture shifted by one: what the shipped model has never seen. */
    globalThis.stripes = Uint8Array.from({ length: 64 * 784 }, (_, i) => ((i % 28) + Math.floor(i / 784)) % 4 < 2 ? 255 : 0);
  });
});
after(async () => {
  await site.close();
  await browser.close();
});

test("one, two or four workers draw the same pictures, to the bit", async () => {
  const drawn = await site.page.evaluate(async (id) => {
    const all = [];
    for (const workers of [1, 2, 4]) {
      const model = await api.open(id, { backend: "cpu", workers });
      // The others have opened the model when this is done; then all take part. 43: the last piece is a smaller one.
      for await (const _ of model.sample({ n: 2000, seed: 1 }));
      all.push(await samples(model, { n: 43, seed: 5 }));
      model.close();
    }
    return all;
  }, MODEL);
  assert.equal(drawn[0].done, 43);
  assert.equal(drawn[0].images.length, 43 * 784);
  for (const other of drawn.slice(1)) {
    assert.equal(other.done, 43);
    assert.deepEqual(other.images, drawn[0].images);
    assert.deepEqual(other.values, drawn[0].values);
  }
});

/** How many workers a page starts that draws `n` pictures. @param {object} options of open @param {number} n */
async function workersStarted(options, n) {
  let started = 0;
  const counting = (path) => {
    if (path === "worker.js") started += 1;
    return false;
  };
  const fresh = await openApi(browser, { intercept: counting });
  const draw = async ([id, options, n]) => samples(await api.open(id, { backend: "cpu", ...options }), { n, seed: 1 });
  await fresh.page.evaluate(draw, [MODEL, options, n]);
  await fresh.close();
  return started;
}

test("as many workers start as were asked for; for a short job one is enough", async () => {
  assert.equal(await workersStarted({ workers: 3 }, 64), 3);
  assert.equal(await workersStarted({}, 16), 1);
});

test("steps arrive in order, each with all pictures so far, and a stop is heard", async () => {
  const { dones, error, works } = await site.page.evaluate(async (id) => {
    const model = await api.open(id, { backend: "cpu", workers: 2 });
    const dones = [];
    for await (const step of model.sample({ n: 64, seed: 1 })) dones.push(step.done);
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const error = await outcome(samples(model, { n: 400, seed: 1, signal: controller.signal, onProgress }));
    return { dones, error, works: await stillWorks(model) };
  }, MODEL);
  assert.deepEqual(dones, dones.toSorted((a, b) => a - b));
  assert.equal(dones.at(-1), 64);
  assert.equal(error.code, "aborted");
  assert.ok(works);
});

test("a worker that can't be used leaves its pictures to the others", async () => {
  // The second worker of the page never starts.
  let workers = 0;
  const broken = (path, response) => {
    if (path !== "worker.js" || (workers += 1) < 2) return false;
    response.writeHead(200, { "content-type": "text/javascript" }).end("throw new Error('no second worker')");
    return true;
  };
  const fresh = await openApi(browser, { intercept: broken });
  const done = await fresh.page.evaluate(async (id) => {
    const model = await api.open(id, { backend: "cpu", workers: 2 });
    return (await samples(model, { n: 200, seed: 1 })).done;
  }, MODEL);
  await fresh.close();
  assert.equal(workers, 2);
  assert.equal(done, 200);
});

for (const backend of ["cpu", "webgpu"]) {
  test(`${backend}: training in the worker lowers the loss, and what was learnt stays`, backend === "webgpu" ? NEEDS_WEBGPU : {}, async () => {
    const { name, losses, before, after, trained } = await site.page.evaluate(
      async ([id, backend]) => {
        const model = await api.open(id, { backend });
        const image = { width: 28, height: 28, data: stripes.slice(0, 784) };
        const before = (await model.logProb(image)).nats;
        const losses = [];
        for await (const step of model.train(stripes, { steps: 40, batch: 16 })) losses.push(step.loss);
        const after = await model.logProb(image);
        const size = model.trained.size;
        model.close();
        return { name: model.backend.name, losses, before, after: after.nats, trained: size };
      },
      [MODEL, backend],
    );
    assert.equal(name, backend);
    assert.ok(losses.length >= 2 && losses.at(-1) < losses[0] - 100, `${losses}`);
    assert.ok(after > before + 100, `${before} before, ${after} after`);
    // 866,596 parameters of four bytes, and a header.
    assert.ok(trained > 866_596 * 4, `${trained} bytes`);
  });
}

test("training that is stopped keeps what it has learnt; also where the worker is replaced afterwards", async () => {
  const { error, before, after, again } = await site.page.evaluate(async (id) => {
    const model = await api.open(id, { backend: "cpu" });
    const image = { width: 28, height: 28, data: stripes.slice(0, 784) };
    const ask = async () => (await model.logProb(image)).nats;
    const before = await ask();
    const controller = new AbortController();
    const onProgress = (p) => p.phase === "train" && p.done >= 20 && controller.abort();
    const learn = async () => {
      for await (const _ of model.train(stripes, { steps: 10_000, batch: 16, signal: controller.signal, onProgress }));
    };
    const error = await outcome(learn());
    const after = await ask();
    await outcome(api.crash());
    return { error, before, after, again: await ask() };
  }, MODEL);
  assert.equal(error.code, "aborted");
  assert.ok(after > before + 50, `${before} before, ${after} after`);
  assert.ok(Math.abs(again - after) < 1e-3, `${after}, and ${again} in the next worker`);
});

test("bad numbers get one sentence", async () => {
  const errors = await site.page.evaluate(async (id) => {
    const model = await api.open(id, { backend: "cpu" });
    const learn = async (images, options) => {
      for await (const _ of model.train(images, options));
    };
    const refusedNumbers = async (model) => {
      const refused = [];
      for (const n of [0, -1, 1.5, 6.5, NaN, 5000, 1e12]) refused.push(await outcome(samples(model, { n, seed: 1 })));
      return refused;
    };
    return [
      await outcome(api.open(id, { workers: 0 })),
      await outcome(api.open(id, { workers: 1.5 })),
      await outcome(learn(new Uint8Array(0))),
      await outcome(learn(new Uint8Array(100))),
      await outcome(learn(stripes, { steps: 0 })),
      await outcome(learn(stripes, { batch: 100_000 })),
      await outcome(learn(stripes, { rate: NaN })),
      // The same whether one worker draws or several.
      ...(await refusedNumbers(model)),
      ...(await refusedNumbers(await api.open(id, { backend: "cpu", workers: 3 }))),
    ];
  }, MODEL);
  for (const { code, message } of errors) {
    assert.equal(code, "bad-request", message);
    assert.match(message, /^[A-Z].*\.$/);
  }
});
