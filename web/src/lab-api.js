// The public API of the lab: data in the plane, and models of every family that learn it in the tab, each asked for its density.
//
//   import { Lab } from "./lab-api.js";
//   const lab = new Lab();
//   const data = await lab.data({ set: "two-moons", n: 1000, seed: 1 });
//   const card = await lab.add({ family: "vae", width: 64 }, data, { seed: 7 });
//   await card.train(200);
//   const { nats, kind, own, score } = await card.probe([0.5, 0.2]);

import { PofxError, parseSeed } from "./engine/errors.js";
import { Host } from "./engine/host.js";
import { unexpected } from "./engine/seat.js";

/** @typedef {import("./protocol.d.ts").LabCommand} LabCommand */
/** @typedef {import("./protocol.d.ts").LabReply} LabReply */
/** @typedef {import("./protocol.d.ts").LabFamily} LabFamily */
/** @typedef {import("./protocol.d.ts").LabForm} LabForm */
/** @typedef {import("./protocol.d.ts").LabSet} LabSet */
/** @typedef {import("./protocol.d.ts").LabPlayer} LabPlayer */
/** @typedef {import("./protocol.d.ts").LabMoves} LabMoves */
/** @typedef {import("./protocol.d.ts").Chips} Chips */
/** @typedef {import("./protocol.d.ts").BackendInfo} BackendInfo */
/** @typedef {import("./protocol.d.ts").BackendChoice} BackendChoice */
/** @typedef {import("./estimate.d.ts").Kind} Kind */

/** Arrays by name. @typedef {Record<string, Float32Array | Uint8Array>} Arrays */

/** Where data come from: a set of the catalogue, points (x1, x2, x1, x2, ..) with the numbers of their classes, or the text of a table.
 * @typedef {{ seed?: number | string } & ({ set: string, n?: number } | { points: Float32Array, labels?: Float32Array } | { csv: string })} Source */

/** What is wanted of samples and densities; `fixed` holds coordinates that are given.
 * @typedef {{ class?: number | null, temperature?: number, guidance?: number, fixed?: [number | null, number | null] }} How */

/** Mean log p of held-out points in nats; `impossible` of the `points` have probability 0 and are left out of the mean.
 * @typedef {Omit<Extract<LabReply, { answer: "held-out" }>, "answer">} HeldOut */

/** log p of a point, its gradient, and the percentage of the model's own samples that are less likely.
 * @typedef {Omit<Extract<LabReply, { answer: "probe" }>, "answer">} Probe */

/** What came of some steps; `diverged` says why the model was put back to an earlier one.
 * @typedef {{ step: number, losses: Record<string, number>, diverged: string | undefined }} Trained */

/** Layers of a picture by name. @typedef {Record<string, { shape: number[], values: Float32Array }>} Picture */

const BASE = new URL("./", import.meta.url);

/** Points of the plane: those to learn from and those that are held out. */
export class Data {
  /** @type {string} */ name = "";
  /** (n, 2) @type {Float32Array} */ train = new Float32Array();
  /** (n, 2) @type {Float32Array} */ heldOut = new Float32Array();
  /** Classes of the training points, by number. @type {Uint8Array | undefined} */ labels;
  /** @type {string[]} */ classes = [];
  /** @type {[string, string]} */ axes = ["x1", "x2"];
  /** What was done to the points: one plain sentence each. @type {string[]} */ notices = [];
  /** What is shown of the plane. @type {{ x: [number, number], y: [number, number] }} */ window = { x: [0, 1], y: [0, 1] };
  /** Whether their true density is known. */ truth = false;
  /** @type {Source} */ source;
  /** Its number in the worker of this generation. */ handle = -1;
  generation = -1;

  /** @type {Lab} */ #lab;

  /** Not for callers: use `lab.data`. @param {Lab} lab @param {Source} source */
  constructor(lab, source) {
    this.#lab = lab;
    this.source = source;
  }

  /** Frees their memory in the worker; cards that learn them go on, and another one brings them back. */
  close() {
    const { handle, generation } = this;
    this.generation = -1;
    if (generation === this.#lab.generation) this.#lab.ask({ ask: "drop", data: handle }, "removed").catch(() => {});
  }
}

/** A worker in which models of the plane learn. */
export class Lab {
  #host = new Host(BASE);
  /** @type {BackendChoice} */ backend;
  /** @type {Promise<{ families: LabForm[], sets: LabSet[] }> | undefined} */ #catalogue;

  /** @param {{ backend?: BackendChoice }} [options] */
  constructor({ backend = "auto" } = {}) {
    this.backend = backend;
  }

  /** Changes when the worker was replaced: what was open in the old one is opened again by its next command. */
  get generation() {
    return this.#host.generation;
  }

  /** The families, with what each is made of and what can be told it. @returns {Promise<LabForm[]>} */
  async forms() {
    return (await this.#known()).families;
  }

  /** The data sets. @returns {Promise<LabSet[]>} */
  async sets() {
    return (await this.#known()).sets;
  }

  #known() {
    this.#catalogue ??= this.ask({ ask: "catalogue" }, "catalogue").then(({ reply }) => reply);
    this.#catalogue.catch(() => (this.#catalogue = undefined));
    return this.#catalogue;
  }

  /**
   * Makes or takes data.
   * @param {Source} source
   * @returns {Promise<Data>}
   */
  async data(source) {
    const data = new Data(this, source);
    await this.ready(data);
    return data;
  }

  /**
   * Opens a model that has learned nothing of these data.
   * @param {{ family: LabFamily } & Record<string, any>} form the family and its settings
   * @param {Data} data
   * @param {{ seed?: number | string }} [options]
   * @returns {Promise<Card>}
   */
  async add(form, data, { seed = 0 } = {}) {
    const card = new Card(this, form, data, parseSeed(seed));
    await card.ready();
    return card;
  }

  /** Makes data anew where the worker was replaced. Not for callers. @param {Data} data */
  async ready(data) {
    if (data.generation === this.generation) return;
    const { source } = data;
    const seed = parseSeed(source.seed ?? 0);
    /** @type {LabCommand} */ let command;
    /** @type {Record<string, Float32Array>} */ const payload = {};
    if ("set" in source) {
      command = { ask: "data", source: { from: "set", id: source.set }, n: source.n ?? 1000, seed };
    } else if ("csv" in source) {
      command = { ask: "data", source: { from: "csv", text: source.csv }, n: 0, seed };
    } else {
      command = { ask: "data", source: { from: "points" }, n: 0, seed };
      payload.points = source.points;
      if (source.labels) payload.labels = source.labels;
    }
    const { reply, arrays } = await this.ask(command, "data", { payload });
    const { data: handle, name, classes, axes, notices, window: [x, y], truth } = reply;
    const { train, held_out: heldOut, labels } = arrays;
    const some = labels.length > 0 ? { labels: /** @type {Uint8Array} */ (labels) } : {};
    Object.assign(data, { handle, name, classes, axes, notices, window: { x, y }, truth, train, heldOut, ...some, generation: this.generation });
  }

  /**
   * One command. Not for callers.
   * @template {LabReply["answer"]} A
   * @param {LabCommand} command
   * @param {A} answer what has to come back
   * @param {{ payload?: unknown, signal?: AbortSignal, onBackend?: (backend: BackendInfo) => void }} [options]
   * @returns {Promise<{ reply: Extract<LabReply, { answer: A }>, arrays: Arrays }>}
   */
  async ask(command, answer, { payload, signal, onBackend } = {}) {
    const onMessage = (/** @type {import("./engine/host.js").Message} */ { event }) => void (event.type === "backend" && onBackend?.(event.backend));
    const { event, arrays = {} } = await this.#host.run({ type: "lab", command }, { payload, signal, onMessage });
    if (event.type !== "done" || event.reply.type !== "lab" || event.reply.reply.answer !== answer) throw unexpected(event);
    return { reply: /** @type {any} */ (event.reply.reply), arrays };
  }

  /** Ends the worker and all models in it. */
  close() {
    this.#host.stop();
  }
}

/** A model of the plane. */
export class Card {
  /** @type {LabFamily} */ family;
  /** @type {Data} */ data;
  /** Form, loss and optimiser. @type {Chips} */ about = /** @type {any} */ (undefined);
  /** @type {BackendInfo} */ backend = { name: "cpu", verified: false, reason: "" };
  /** Steps made. */ step = 0;
  /** By which networks they were made, in their order. @type {LabMoves[]} */ moves = [];

  /** @type {Lab} */ #lab;
  /** @type {Record<string, any>} */ #settings;
  /** @type {number} */ #seed;
  #handle = -1;
  #generation = -1;
  #closed = false;
  /** @type {Promise<void> | undefined} */ #opening;

  /** Not for callers: use `lab.add`. @param {Lab} lab @param {{ family: LabFamily } & Record<string, any>} form @param {Data} data @param {number} seed */
  constructor(lab, { family, ...settings }, data, seed) {
    this.#lab = lab;
    this.family = family;
    this.data = data;
    this.#settings = settings;
    this.#seed = seed;
  }

  /** Opens the model in the present worker, with as many steps as it had. Not for callers. */
  async ready() {
    if (this.#closed) throw new PofxError("bad-request", "This model was removed.");
    if (this.#generation === this.#lab.generation) return;
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    await this.#opening;
  }

  async #open() {
    await this.#lab.ready(this.data);
    const command = /** @type {const} */ ({
      ask: "add",
      data: this.data.handle,
      family: this.family,
      settings: this.#settings,
      seed: this.#seed,
      backend: this.#lab.backend,
    });
    const { reply } = await this.#lab.ask(command, "added");
    this.#handle = reply.model;
    this.#generation = this.#lab.generation;
    this.about = reply.chips;
    this.backend = reply.backend;
    const { moves } = this;
    [this.step, this.moves] = [0, []];
    for (const { player, steps } of moves) await this.train(steps, { player });
  }

  /**
   * Makes steps of the optimiser. A GAN's networks may move one at a time: `player` is "both", "discriminator" or "generator".
   * @param {number} steps
   * @param {{ player?: LabPlayer, signal?: AbortSignal }} [options]
   * @returns {Promise<Trained>}
   */
  async train(steps, { player = "both", signal } = {}) {
    const { reply } = await this.#ask({ ask: "train", steps, player }, "trained", { signal });
    [this.step, this.moves] = [reply.step, reply.moves];
    this.backend = reply.backend;
    const losses = Object.fromEntries(reply.losses.map(({ name, value }) => [name, value]));
    return { step: reply.step, losses, diverged: reply.diverged };
  }

  /** Mean log p of the points that are held out. @returns {Promise<HeldOut>} */
  async heldOut() {
    const { reply: { answer, ...held } } = await this.#ask({ ask: "held-out" }, "held-out");
    return held;
  }

  /**
   * log p at the centres of n x n cells of the window of the data, row by row from the top.
   * @param {number} n
   * @param {How} [how]
   * @returns {Promise<{ values: Float32Array, kind: Kind, estimator: string }>}
   */
  field(n, how) {
    return this.#values({ ask: "field", n, how: whole(how) });
  }

  /**
   * Points drawn from p(x), (n, 2); the same for the same seed.
   * @param {number} n
   * @param {number | string} seed
   * @param {How} [how]
   */
  async sample(n, seed, how) {
    return (await this.#values({ ask: "sample", n, seed: parseSeed(seed), how: whole(how) })).values;
  }

  /**
   * log p of points (n, 2).
   * @param {Float32Array} points
   * @param {How} [how]
   */
  logP(points, how) {
    return this.#values({ ask: "log-p", how: whole(how) }, { points });
  }

  /**
   * log p of a point, its gradient, and its place among the model's own samples.
   * @param {[number, number]} x
   * @param {How} [how]
   * @returns {Promise<Probe>}
   */
  async probe(x, how) {
    const { reply: { answer, ...probe } } = await this.#ask({ ask: "probe", x, how: whole(how) }, "probe");
    return probe;
  }

  /**
   * What the family's own picture shows.
   * @param {{ probe: [number, number], time?: number, seed?: number | string }} look
   * @returns {Promise<Picture>}
   */
  async picture({ probe, time = 0, seed = 0 }) {
    const { reply, arrays } = await this.#ask({ ask: "picture", x: probe, time, seed: parseSeed(seed) }, "picture");
    const layer = (/** @type {{ name: string, shape: number[] }} */ { name, shape }) => [name, { shape, values: arrays[name] }];
    return Object.fromEntries(reply.layers.map(layer));
  }

  /**
   * The model as files.
   * @param {"safetensors" | "onnx"} format
   * @returns {Promise<{ name: string, bytes: Uint8Array }[]>}
   */
  async export(format) {
    const { reply, arrays } = await this.#ask({ ask: "export", format }, "exported");
    return reply.files.map(({ name, part }) => ({ name, bytes: /** @type {Uint8Array} */ (arrays[part]) }));
  }

  /** Frees the model's memory. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#generation === this.#lab.generation) this.#lab.ask({ ask: "remove", model: this.#handle }, "removed").catch(() => {});
  }

  /** @param {any} command @param {Arrays} [payload] @returns {Promise<{ values: Float32Array, kind: Kind, estimator: string }>} */
  async #values(command, payload) {
    const { reply, arrays } = await this.#ask(command, "values", { payload });
    return { values: /** @type {Float32Array} */ (arrays.values), kind: reply.kind, estimator: reply.estimator };
  }

  /**
   * @template {LabReply["answer"]} A
   * @param {any} command a LabCommand but for the model's handle
   * @param {A} answer
   * @param {{ payload?: unknown, signal?: AbortSignal }} [options]
   */
  async #ask(command, answer, options) {
    await this.ready();
    const onBackend = (/** @type {BackendInfo} */ backend) => void (this.backend = backend);
    return this.#lab.ask({ ...command, model: this.#handle }, answer, { ...options, onBackend });
  }
}

/** @param {How} [how] */
function whole({ class: label = null, temperature = 1, guidance = 1, fixed = [null, null] } = {}) {
  return { class: label, temperature, guidance, fixed };
}
