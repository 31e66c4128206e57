// Training on a person's own pictures, without the picture of it: what is learnt from, in parts, and how good it is.

import { openStore } from "./store.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("../p-of-x.js").Progress} Progress */

/** `fresh`: from new weights. @typedef {{ fresh: boolean, steps: number, batch: number, rate: number, seed: number }} Settings */

/** After `step`: the loss on the last batch, and the mean log p of held-out pictures. @typedef {{ step: number, loss?: number, nats?: number, std_error?: number }} Point */

/**
 * A run as it is kept: pictures to learn from and held-out ones (`channels` x `height` x `width` bytes each), how many of the latter
 * are asked about, and where it stands. `at`: when it was kept last, in milliseconds since 1970, or 0. `before` is what the weights that were there say of those, `best` the weights that said most.
 * @typedef {{ model: string, at: number, settings: Settings, pictures: Uint8Array, heldOut: Uint8Array, asked: number, kind: string,
 *   before?: Point, points: Point[], step: number, weights?: Blob, states?: Blob, best?: { step: number, nats: number, weights: Blob } }} Run
 */

/** Told whenever a run was to be kept, with why it was not. @typedef {(thrown?: unknown) => void | Promise<void>} Kept */

/** Fewer teach nothing; more take longer than anyone waits for in a tab. */
export const FEWEST = 20;
export const MOST = 5000;
/** One in so many is held out, but no more than this are asked about. */
const HELD_OUT = 5;
const MOST_ASKED = 64;
/** What a part, and asking after it, should take. */
const PART_SECONDS = 8;
const ASK_SECONDS = 4;
const FIRST_STEPS = 4;
/** So many at least, for a curve. */
const FEWEST_PARTS = 12;

/** The database of runs. */
export const RUNS = "p-of-x-courses";
const kept = openStore(RUNS, "runs", "model");

/** The run of a model that is kept on this device. @param {string} model @returns {Promise<Run | undefined>} */
export async function keptRun(model) {
  return /** @type {Run | undefined} */ (await kept("readonly", (store) => store.get(model)));
}

/** All runs that are kept on this device. @returns {Promise<Run[]>} */
export async function keptRuns() {
  return /** @type {Run[]} */ (await kept("readonly", (store) => store.getAll()));
}

/** Keeps a run as it is now. @param {Run} run @param {Kept} onKept */
async function keep(run, onKept) {
  try {
    const at = Date.now();
    await kept("readwrite", (store) => store.put({ ...run, at }));
    run.at = at;
    await onKept();
  } catch (thrown) {
    await onKept(thrown);
  }
}

/** @param {string} model */
export async function forget(model) {
  await kept("readwrite", (store) => store.delete(model));
}

/**
 * A new run on prepared pictures: every fifth is held out.
 * @param {string} model
 * @param {Uint8Array[]} all
 * @param {Settings} settings
 * @returns {Run}
 */
export function newRun(model, all, settings) {
  const of = (/** @type {boolean} */ held) => joined(all.filter((_, i) => (i % HELD_OUT === HELD_OUT - 1) === held));
  return { model, at: 0, settings, pictures: of(false), heldOut: of(true), asked: 0, kind: "", points: [], step: 0 };
}

/** @param {Uint8Array[]} arrays */
function joined(arrays) {
  const out = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}

/** Bytes of a picture. @param {Model} model */
export function bytesOf(model) {
  const { size, channels } = model.card.image;
  return size * size * channels;
}

/** Bytes that a run takes where it is kept: its pictures, its weights, and the moments that Adam goes on with. @param {Run} run */
export function sizesOf({ pictures, heldOut, weights, states, best }) {
  return {
    pictures: pictures.length + heldOut.length,
    weights: (weights?.size ?? 0) + (best?.weights.size ?? 0),
    moments: states?.size ?? 0,
  };
}

/** @param {Run} run */
export function sizeOf(run) {
  const { pictures, weights, moments } = sizesOf(run);
  return pictures + weights + moments;
}

/**
 * Goes on with a run to its end, in parts; yields after each. It is kept meanwhile, and goes on where it can't be.
 * @param {Model} model
 * @param {Run} run moves along
 * @param {{ signal: AbortSignal, onProgress: (progress: Progress) => void, onKept: Kept }} options
 */
export async function* goOn(model, run, { signal, onProgress, onKept }) {
  if (!run.before) {
    run.before = { step: 0, ...(await ask(model, run, signal)) };
    if (!run.settings.fresh) run.points.push(run.before);
    yield;
  }
  let pace = PART_SECONDS / FIRST_STEPS;
  while (run.step < run.settings.steps) {
    const from = run.step;
    const most = Math.min(run.settings.steps - from, Math.ceil(run.settings.steps / FEWEST_PARTS));
    const part = Math.max(1, Math.min(most, Math.round(PART_SECONDS / pace)));
    const began = performance.now();
    let loss;
    try {
      for await (const step of model.train(run.pictures, { ...run.settings, from, until: from + part, states: run.states, signal, onProgress })) loss = step.loss;
    } catch (thrown) {
      // What was learnt up to the stop is there once the worker has answered the next question.
      await model.prepare(pictureAt(model, run.heldOut, 0)).catch(() => {});
      if (model.learnt && model.learnt.step > from && model.learnt.step <= from + part) take(run, model.learnt);
      await keep(run, onKept);
      throw thrown;
    }
    pace = (performance.now() - began) / 1000 / part;
    if (model.learnt) take(run, model.learnt);
    // Before it is asked about: what was learnt is not lost where that is stopped.
    await keep(run, onKept);
    const answer = await ask(model, run, signal);
    run.points.push({ step: run.step, loss, ...answer });
    if (run.weights && !(answer.nats <= (run.best?.nats ?? -Infinity))) run.best = { step: run.step, nats: answer.nats, weights: run.weights };
    await keep(run, onKept);
    yield;
  }
}

/** @param {Run} run @param {{ step: number, weights: Blob, states: Blob }} learnt */
function take(run, { step, weights, states }) {
  Object.assign(run, { step, weights, states });
}

/** Mean log p of held-out pictures, the same ones each time: as many as the first time was enough for. @param {Model} model @param {Run} run @param {AbortSignal} signal */
async function ask(model, run, signal) {
  const there = Math.min(run.heldOut.length / bytesOf(model), MOST_ASKED);
  /** @type {number[]} */ const nats = [];
  const began = performance.now();
  const enough = () => (run.asked ? nats.length >= run.asked : nats.length >= 2 && performance.now() - began > 1000 * ASK_SECONDS);
  while (nats.length < there && !enough()) {
    const estimate = await model.logProb(pictureAt(model, run.heldOut, nats.length), { signal });
    run.kind = typeof estimate.kind === "string" ? estimate.kind : "";
    nats.push(estimate.nats);
  }
  run.asked = nats.length;
  const mean = nats.reduce((sum, value) => sum + value, 0) / nats.length;
  const variance = nats.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (nats.length - 1);
  return { nats: mean, std_error: Math.sqrt(variance / nats.length) };
}

/**
 * A prepared picture with its channels last, as it can be shown and asked about.
 * @param {Model} model
 * @param {Uint8Array} all
 * @param {number} index
 * @returns {import("./picture.js").Pixels & { data: Uint8Array }}
 */
export function pictureAt(model, all, index) {
  const { size, channels } = model.card.image;
  const plane = size * size;
  const planes = all.subarray(index * plane * channels, (index + 1) * plane * channels);
  const data = Uint8Array.from(planes, (_, i) => planes[(i % channels) * plane + Math.floor(i / channels)]);
  return { data, width: size, height: size, channels };
}
