// The GPU goes away at every point of every kind of job, its process crashes, its memory ends: the job ends with what the CPU gives, and
// nothing of the GPU is left in use.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./support/browser.mjs";
import { FAULTS, MODEL, inWorker, openApi, prepareApi } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** Diffusion steps at which the device goes; all of 1 to 50 where $EVERY says so (six minutes). */
const STEPS = process.env.EVERY ? Array.from({ length: 50 }, (_, i) => i + 1) : [1, 2, 17, 50];

/** The shipped models and jobs that lose their device, at which submission of the job, and how long they may be. */
const JOBS = [
  ...STEPS.map((at) => ["mnist-diffusion", "sample", { n: 1, seed: 3, steps: 50 }, at]),
  ["mnist-gan", "sample", { n: 16, seed: 3 }, 1],
  ["mnist-vae", "sample", { n: 32, seed: 3 }, 2],
  ["mnist-transformer", "sample", { n: 1, seed: 3 }, 200],
  ["binary-mnist-vae", "logProb", { seed: 3 }, 5],
];

/** @param {number[]} a @param {number[]} b @param {string} what */
function assertNear(a, b, what) {
  assert.equal(a.length, b.length, what);
  const largest = a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0);
  assert.ok(largest <= 1e-3, `${what}: ${largest}`);
}

test(`a device that is destroyed at a step of a job, ${JOBS.length} times: the results are those of the CPU, and one change of engine is told`, async () => {
  const site = await openApi(browser, { intercept: inWorker(FAULTS) });
  let slowest = 0;
  for (const [id, job, options, at] of JOBS) {
    await site.page.reload();
    await prepareApi(site.page);
    const got = await site.page.evaluate(
      async ([id, job, options, at]) => {
        const result = async (model) => (job === "sample" ? (await samples(model, options)).values : [(await model.logProb(one, options)).nats]);
        const model = await api.open(id, { backend: "webgpu" });
        const opened = model.backend.name;
        // Its shaders are compiled by a first, short run: the fault falls into the job itself.
        if (job === "sample") await samples(model, { ...options, ...(options.steps && { steps: 1 }) });
        else await result(model);
        const changes = [];
        model.addEventListener("backendchange", ({ detail }) => changes.push(detail));
        breaks({ destroy: at, noMoreAdapters: true });
        // The answer says that the worker has heard it.
        await held();
        const from = performance.now();
        const lost = await result(model);
        const took = performance.now() - from;
        const { buffers } = await held();
        const cpu = await api.open(id, { backend: "cpu" });
        const expected = await result(cpu);
        const again = performance.now();
        await result(cpu);
        return { opened, changes, lost, expected, buffers, extra: took - (performance.now() - again) };
      },
      [id, job, options, at],
    );
    const what = `${id}, ${job}, submission ${at}`;
    assert.equal(got.opened, "webgpu", what);
    assert.deepEqual(got.changes.map(({ name }) => name), ["cpu"], what);
    assert.match(got.changes[0].reason, /The job went on here\.$/);
    assertNear(got.lost, got.expected, what);
    assert.equal(got.buffers, 0, `${what}: buffers of the GPU that are still in use`);
    slowest = Math.max(slowest, got.extra);
  }
  await site.close();
  console.log(`${JOBS.length} of ${JOBS.length} jobs ended on the CPU; the fault cost at most ${Math.round(slowest)} ms`);
});

test("the GPU's process crashes once, and again: the job ends on whatever is left, and nothing goes wrong in silence", async (t) => {
  const own = await launch();
  t.after(() => own.close());
  const { page, trouble, close } = await openApi(own, { intercept: inWorker(FAULTS) });
  await page.evaluate(async (id) => {
    globalThis.unhandled = 0;
    addEventListener("unhandledrejection", () => (unhandled += 1));
    globalThis.model = await api.open(id, { backend: "webgpu" });
  }, MODEL);
  const cdp = await own.newBrowserCDPSession();
  const expected = await page.evaluate(async (id) => samples(await api.open(id, { backend: "cpu" }), { n: 400, seed: 5 }), MODEL);
  for (const crash of ["first", "second"]) {
    const job = page.evaluate(async () => {
      globalThis.begun = false;
      const onProgress = () => (begun = true);
      return { ...(await samples(model, { n: 400, seed: 5, onProgress })), backend: model.backend, works: await stillWorks(model), unhandled };
    });
    await page.waitForFunction(() => globalThis.begun);
    await cdp.send("Browser.crashGpuProcess").catch(() => {});
    const { values, backend, works, unhandled } = await job;
    console.log(`after the ${crash} crash of the GPU's process: ${backend.name}. ${backend.reason}`);
    assert.ok(works);
    assert.equal(unhandled, 0);
    assertNear(values, expected.values, `after the ${crash} crash`);
    if (crash === "second") assert.equal(backend.name, "cpu");
  }
  await close();
  assert.deepEqual(trouble.filter((line) => !line.includes("favicon")), []);
});

const OUT_OF_MEMORY = `${FAULTS}{
  // What a driver does when an allocation fails; no test can take all memory of a machine.
  const { createBuffer, pushErrorScope, popErrorScope } = GPUDevice.prototype;
  let made = 0;
  const scopes = [];
  GPUDevice.prototype.pushErrorScope = function (filter) {
    scopes.push({ filter, failed: false });
    pushErrorScope.call(this, filter);
  };
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    if ((made += 1) === failAt) {
      const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
      if (scope) scope.failed = true;
      else buffer.mapAsync = () => Promise.reject(new DOMException("no memory", "OperationError"));
    }
    return buffer;
  };
  GPUDevice.prototype.popErrorScope = async function () {
    const { filter, failed } = scopes.pop();
    const real = await popErrorScope.call(this);
    return failed ? new GPUOutOfMemoryError("no memory") : real;
  };
}`;

test("the memory of the GPU ends at the k-th buffer, k from 1 to 20: the CPU goes on, with the reason, and no buffer is left", async () => {
  let k = 0;
  const worker = (path, response) => inWorker(OUT_OF_MEMORY.replace("failAt", String(k)))(path, response);
  const { page, close } = await openApi(browser, { intercept: worker });
  for (k = 1; k <= 20; k += 1) {
    await page.reload();
    await prepareApi(page);
    const { backend, works, held } = await page.evaluate(async (id) => {
      const model = await api.open(id, { backend: "webgpu" });
      await samples(model, { n: 16, seed: 1 });
      const works = await stillWorks(model);
      return { backend: model.backend, works, held: await globalThis.held() };
    }, MODEL);
    assert.equal(backend.name, "cpu", `buffer ${k}: ${backend.reason}`);
    assert.match(backend.reason, /GPU has no memory left|GPU was lost/, `buffer ${k}`);
    assert.ok(works);
    assert.equal(held.buffers, 0, `buffer ${k}`);
  }
  await close();
});
