// The lab's API: data of the plane, and models that learn them in a worker, on the CPU and on WebGPU.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NEEDS_WEBGPU, launch } from "./support/browser.mjs";
import { openApi } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** A page with the API of the lab, as `globalThis.plane`. */
async function openPlane() {
  const site = await openApi(browser);
  await site.page.evaluate(async () => void (globalThis.plane = await import(new URL("./lab-api.js", location.href).href)));
  return site;
}

/**
 * Trains a family on two moons and asks it everything.
 * @param {string} backend @param {Record<string, any>} form @param {number} steps
 */
async function learn(backend, form, steps) {
  const { page, trouble, close } = await openPlane();
  const result = await page.evaluate(
    async ([backend, form, steps]) => {
      const lab = new plane.Lab({ backend });
      const data = await lab.data({ set: "two-moons", n: 500, seed: 1 });
      const card = await lab.add(form, data, { seed: 3 });
      const before = await card.heldOut();
      const trained = await card.train(steps);
      const field = await card.field(64);
      const { x, y } = data.window;
      const cell = ((x[1] - x[0]) * (y[1] - y[0])) / 64 ** 2;
      const sum = (values) => values.reduce((sum, nats) => sum + Math.exp(nats) * cell, 0);
      // One wide Gaussian reaches beyond the window of two moons: the same cells over three times its width and height.
      const at = ([low, high], i) => low + ((high - low) * (i - 64 + 0.5)) / 64;
      const wide = Float32Array.from({ length: 2 * 192 ** 2 }, (_, i) => (i % 2 ? at(y, Math.floor(i / 384)) : at(x, (i >> 1) % 192)));
      return {
        shape: [data.train.length, data.heldOut.length, data.labels.length, data.classes.length],
        before,
        trained,
        after: await card.heldOut(),
        mass: sum(form.family === "gaussian" ? (await card.logP(wide)).values : field.values),
        probe: await card.probe([0.5, 0.25]),
        points: [...(await card.sample(8, 5))],
        slice: [...(await card.sample(20, 5, { fixed: [0.5, null] }))],
        layers: Object.keys(await card.picture({ probe: [0.5, 0.25] })),
        backend: card.backend,
        about: card.about,
      };
    },
    [backend, form, steps],
  );
  await close();
  // A blank page has no icon.
  assert.deepEqual(trouble.filter((text) => !text.includes("favicon.ico")), []);
  return result;
}

for (const [form, steps] of [
  [{ family: "gaussian" }, 300],
  [{ family: "mixture", components: 8 }, 40],
  [{ family: "kernel" }, 20],
  [{ family: "vae", width: 32, batch: 128 }, 300],
  [{ family: "gan", width: 32, batch: 128 }, 400],
  [{ family: "diffusion", width: 32, batch: 128 }, 400],
  [{ family: "transformer", bins: 64, width: 32, batch: 128 }, 400],
]) {
  test(`${form.family}: it learns, its density integrates to 1, and it answers for a point and for a slice`, async () => {
    const r = await learn("cpu", form, steps);
    assert.deepEqual(r.shape, [800, 200, 400, 2]);
    assert.equal(r.trained.step, steps);
    assert.ok(r.after.nats > r.before.nats, JSON.stringify([r.before, r.after]));
    assert.ok(Math.abs(r.mass - 1) < 0.01, `mass ${r.mass}`);
    // A GAN's is that of linear pieces: exact where a coarser mesh says the same.
    const kinds = form.family === "gan" ? ["exact", "stochastic"] : ["exact"];
    assert.ok(Number.isFinite(r.probe.nats) && kinds.includes(r.probe.kind) && r.probe.own >= 0 && r.probe.own <= 100, JSON.stringify(r.probe));
    assert.ok(r.points.every(Number.isFinite));
    assert.ok(r.slice.every((v, i) => i % 2 === 1 || Math.abs(v - 0.5) < 1e-5), `${r.slice}`);
    assert.ok(r.layers.length > 0);
    assert.equal(r.backend.name, "cpu");
    assert.ok(r.about.form.equation.length > 3 && r.about.form.words.length > 3);
  });
}

test("WebGPU learns what the CPU learns from the same seed", NEEDS_WEBGPU, async () => {
  const form = { family: "vae", width: 16, batch: 64 };
  const [cpu, webgpu] = [await learn("cpu", form, 20), await learn("webgpu", form, 20)];
  assert.equal(webgpu.backend.name, "webgpu");
  assert.ok(Math.abs(cpu.after.nats - webgpu.after.nats) < 0.02, `${cpu.after.nats} ${webgpu.after.nats}`);
  assert.ok(Math.abs(cpu.probe.nats - webgpu.probe.nats) < 0.05, `${cpu.probe.nats} ${webgpu.probe.nats}`);
  cpu.points.forEach((v, i) => assert.ok(Math.abs(v - webgpu.points[i]) < 0.02, `${v} ${webgpu.points[i]}`));
});

test("the same seed and steps are the same model, in one call, in many, and after the worker was replaced", async () => {
  const { page, close } = await openPlane();
  const [once, often, without, again] = await page.evaluate(async () => {
    const ask = async (card) => [(await card.probe([0.1, 0.9])).nats, ...(await card.sample(4, 9))];
    const lab = new plane.Lab({ backend: "cpu" });
    const data = await lab.data({ set: "pinwheel", n: 300, seed: 2 });
    const form = { family: "vae", width: 16, batch: 64 };
    const first = await lab.add(form, data, { seed: 4 });
    await first.train(60);
    const second = await lab.add(form, data, { seed: 4 });
    for (const steps of [1, 7, 30, 22]) await second.train(steps);
    const answers = [await ask(first), await ask(second)];
    // A card goes on without its data, and brings them back where it has to.
    data.close();
    answers.push(await ask(first));
    lab.close();
    answers.push(await ask(first));
    return answers;
  });
  assert.deepEqual(often, once);
  assert.deepEqual(without, once);
  assert.deepEqual(again, once);
  await close();
});

test("points, tables and measured data are taken, and bad ones get their sentence", async () => {
  const { page, close } = await openPlane();
  const { drawn, table, real, refused, stopped, files } = await page.evaluate(async () => {
    const lab = new plane.Lab({ backend: "cpu" });
    const points = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * 7.3) + (i % 2));
    const drawn = await lab.data({ points });
    const table = await lab.data({ csv: "length;width;kind\n1,5;2;a\n2,5;3;b\n3,5;1;a\n4,5;2,5;b\n5,5;0,5;a\n" });
    const real = await lab.data({ set: "penguins" });
    const sentences = [{ points: new Float32Array(2) }, { points: new Float32Array(40) }, { csv: "a,b\n1,2\n3,x\n4,5\n6,7" }, { csv: "" }, { set: "two-suns" }];
    const refused = [];
    for (const source of sentences) refused.push(await outcome(lab.data(source)));
    const card = await lab.add({ family: "mixture" }, real, { seed: 1 });
    refused.push(await outcome(lab.add({ family: "mixture", components: 0 }, real)), await outcome(lab.add({ family: "truth" }, real)), await outcome(card.probe([NaN, 0])));
    const controller = new AbortController();
    const training = outcome(card.train(1_000_000, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 100);
    const stopped = { ...(await training), then: await outcome(card.train(1)) };
    const vae = await lab.add({ family: "vae", width: 16 }, real, { seed: 1 });
    const exported = [...(await vae.export("safetensors")), ...(await vae.export("onnx"))];
    return { drawn, table, real, refused, stopped, files: exported.map(({ name, bytes }) => [name, bytes.length]) };
  });
  assert.equal(drawn.train.length === undefined ? Object.keys(drawn.train).length : drawn.train.length, 48);
  assert.deepEqual(table.axes, ["length", "width"]);
  assert.deepEqual(table.classes, ["a", "b"]);
  assert.ok(real.classes.includes("Gentoo") && !real.truth, JSON.stringify(real.classes));
  for (const [i, { code, message }] of refused.entries()) {
    assert.equal(code, "bad-request", `${i}`);
    assert.match(message, /^[A-Z'].*\.$/);
    assert.doesNotMatch(message, /panick|unwrap|undefined/);
  }
  assert.match(refused[2].message, /x/);
  assert.equal(stopped.code, "aborted");
  assert.ok(stopped.then.value.step > 0);
  assert.ok(files.length >= 2 && files.every(([name, bytes]) => /^vae.*\.(safetensors|onnx)$/.test(name) && bytes > 1000), JSON.stringify(files));
  await close();
});
