// A model on the lab's table: what it has learned, what it is asked, and what is shown of it.

import { PofxError } from "../engine/errors.js";

/** @typedef {import("../lab-api.js").Lab} Lab */
/** @typedef {import("../lab-api.js").Card} Card */
/** @typedef {import("../lab-api.js").Data} Data */
/** @typedef {import("../lab-api.js").LabForm} LabForm */
/** @typedef {import("../lab-api.js").HeldOut} HeldOut */
/** @typedef {import("../lab-api.js").Probe} Probe */
/** @typedef {import("../lab-api.js").Picture} Picture */
/** @typedef {import("../lab-api.js").How} How */
/** @typedef {import("../lab-api.js").LabPlayer} LabPlayer */
/** @typedef {import("../lab-api.js").LabMoves} LabMoves */
/** @typedef {import("./plane.js").Field} Field */

/** Cells a side of a field while the model learns, and when it rests. */
const COARSE = 48;
const FINE = 128;
const SAMPLES = 200;

export class Entry {
  /** @type {LabForm} */ form;
  /** @type {Record<string, any>} */ settings;
  /** @type {number} */ seed;
  /** @type {Card | undefined} */ card;
  /** @type {Field | undefined} */ field;
  /** @type {Float32Array} */ samples = new Float32Array();
  /** @type {HeldOut | undefined} */ held;
  /** @type {Probe | undefined} */ probe;
  /** @type {Record<string, number>} */ losses = {};
  /** Held-out log p after so many steps. @type {[number, number][]} */ history = [];
  /** The first loss after so many steps. @type {[number, number][]} */ lossHistory = [];
  /** What went wrong, as a sentence. */ trouble = "";
  /** Whether the family's own picture is open. */ inside = false;
  /** @type {Picture | undefined} */ picture;
  /** Time of a diffusion's picture. */ time = 0.3;
  /** Which networks of a GAN move. @type {LabPlayer} */ player = "both";
  /** Whether the card is a large one. */ large = false;
  /** Steps in one turn. */ #steps = 1;
  /** Whether the field shows the model as it is. */ #fresh = false;

  /** @type {(error: PofxError) => void} */ #failed;

  /** @param {LabForm} form @param {Record<string, any>} settings @param {number} seed @param {(error: PofxError) => void} failed told what goes wrong */
  constructor(form, settings, seed, failed) {
    this.form = form;
    this.settings = settings;
    this.seed = seed;
    this.#failed = failed;
  }

  get steps() {
    return this.card?.step ?? 0;
  }

  /** As the address has it. */
  get state() {
    const { form, settings, seed } = this;
    return { family: form.family, settings, seed, moves: this.card?.moves ?? [] };
  }

  /** Whether there is anything to learn. */
  get learns() {
    return this.form.family !== "truth";
  }

  /** Opens the model anew and makes its first steps. @param {Lab} lab @param {Data} data @param {LabMoves[]} [moves] */
  async open(lab, data, moves = []) {
    this.card?.close();
    Object.assign(this, { card: undefined, trouble: "", losses: {}, history: [], lossHistory: [], held: undefined, probe: undefined, picture: undefined });
    try {
      this.card = await lab.add({ family: this.form.family, ...this.settings }, data, { seed: this.seed });
      for (const { steps, player } of moves) await this.train(steps, player);
    } catch (error) {
      this.#fail(error);
    }
    this.#fresh = false;
  }

  /** One turn of training: as many steps as fit into so many milliseconds, at least one. @param {number} turn */
  async turn(turn) {
    const from = performance.now();
    await this.train(this.#steps);
    const took = performance.now() - from;
    const next = this.#steps * Math.min(4, Math.max(0.25, turn / Math.max(took, 0.5)));
    this.#steps = Math.max(1, Math.min(500, Math.round(next)));
  }

  /** @param {number} steps @param {LabPlayer} [player] */
  async train(steps, player = this.player) {
    if (!this.card || !this.learns) return;
    try {
      const { losses, diverged, step } = await this.card.train(steps, { player });
      this.losses = losses;
      this.trouble = diverged ?? "";
      const loss = Object.values(losses)[0];
      if (Number.isFinite(loss)) thinned(this.lossHistory, [step, loss]);
    } catch (error) {
      this.#fail(error);
    }
    this.#fresh = false;
  }

  /** What was asked for is asked for otherwise. */
  stale() {
    this.#fresh = false;
  }

  /** Everything that is shown of the model, anew. @param {[number, number]} x @param {How} how @param {boolean} resting whether there is time for a fine field */
  async look(x, how, resting) {
    const { card } = this;
    if (!card || (this.#fresh && this.probe && (!resting || this.field?.n === FINE))) return;
    try {
      if (!this.#fresh) {
        this.field = { n: COARSE, values: (await card.field(COARSE, how)).values };
        this.samples = await card.sample(SAMPLES, this.seed, how);
        this.held = await card.heldOut();
        if (card.step > 0 && Number.isFinite(this.held.nats)) thinned(this.history, [card.step, this.held.nats]);
      }
      this.#fresh = true;
      await this.#question(card, x, how);
      if (resting) this.field = { n: FINE, values: (await card.field(FINE, how)).values };
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {[number, number]} x @param {How} how */
  async ask(x, how) {
    const { card } = this;
    if (!card) return;
    try {
      // Where a coordinate is given, the samples move with the probe.
      if (how.fixed?.some((v) => v !== null)) this.samples = await card.sample(SAMPLES, this.seed, how);
      await this.#question(card, x, how);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {unknown} thrown */
  #fail(thrown) {
    const error = PofxError.from(thrown);
    this.trouble = error.message;
    this.#failed(error);
  }

  /** @param {Card} card @param {[number, number]} x @param {How} how */
  async #question(card, x, how) {
    this.probe = await card.probe(x, how);
    this.picture = this.inside ? await card.picture({ probe: x, time: this.time }) : undefined;
  }
}

/** At most so many values of a line are kept: then every other one is left out. @param {[number, number][]} line @param {[number, number]} value */
function thinned(line, value) {
  if (line.at(-1)?.[0] === value[0]) line.pop();
  line.push(value);
  if (line.length > 400) line.splice(0, line.length, ...line.filter((_, i) => i % 2 === 1));
}
