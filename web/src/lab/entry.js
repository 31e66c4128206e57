// A model on the lab's table: what it has learned, what it is asked, and what is shown of it.

/** @typedef {import("../lab-api.js").Lab} Lab */
/** @typedef {import("../lab-api.js").Card} Card */
/** @typedef {import("../lab-api.js").Data} Data */
/** @typedef {import("../lab-api.js").LabForm} LabForm */
/** @typedef {import("../lab-api.js").HeldOut} HeldOut */
/** @typedef {import("../lab-api.js").Probe} Probe */
/** @typedef {import("../lab-api.js").Picture} Picture */
/** @typedef {import("./plane.js").Field} Field */

/** Milliseconds of training in one turn: short, so that the other models and the probe wait little. */
const TURN = 50;
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
  /** Steps in one turn. */ #steps = 1;
  /** Whether the field shows the model as it is. */ #fresh = false;

  /** @param {LabForm} form @param {Record<string, any>} settings @param {number} seed */
  constructor(form, settings, seed) {
    this.form = form;
    this.settings = settings;
    this.seed = seed;
  }

  get steps() {
    return this.card?.step ?? 0;
  }

  /** As the address has it. */
  get state() {
    const { form, settings, seed, steps } = this;
    return { family: form.family, settings, seed, steps };
  }

  /** Whether there is anything to learn. */
  get learns() {
    return this.form.family !== "truth";
  }

  /** Opens the model anew and makes its first steps. @param {Lab} lab @param {Data} data @param {number} [steps] */
  async open(lab, data, steps = 0) {
    this.card?.close();
    Object.assign(this, { card: undefined, trouble: "", losses: {}, history: [], lossHistory: [], held: undefined, probe: undefined, picture: undefined });
    try {
      this.card = await lab.add({ family: this.form.family, ...this.settings }, data, { seed: this.seed });
      if (steps > 0) await this.train(steps);
    } catch (error) {
      this.trouble = message(error);
    }
    this.#fresh = false;
  }

  /** One turn of training: as many steps as fit into it. */
  async turn() {
    const from = performance.now();
    await this.train(this.#steps);
    const took = performance.now() - from;
    const next = this.#steps * Math.min(4, Math.max(0.25, TURN / Math.max(took, 0.5)));
    this.#steps = Math.max(1, Math.min(500, Math.round(next)));
  }

  /** @param {number} steps */
  async train(steps) {
    if (!this.card || !this.learns) return;
    try {
      const { losses, diverged, step } = await this.card.train(steps);
      this.losses = losses;
      this.trouble = diverged ?? "";
      const loss = Object.values(losses)[0];
      if (Number.isFinite(loss)) thinned(this.lossHistory, [step, loss]);
    } catch (error) {
      this.trouble = message(error);
    }
    this.#fresh = false;
  }

  /** Everything that is shown of the model, anew. @param {[number, number]} x @param {boolean} resting whether there is time for a fine field */
  async look(x, resting) {
    const { card } = this;
    if (!card || (this.#fresh && this.probe && (!resting || this.field?.n === FINE))) return;
    try {
      if (!this.#fresh) {
        this.field = { n: COARSE, values: (await card.field(COARSE)).values };
        this.samples = await card.sample(SAMPLES, this.seed);
        this.held = await card.heldOut();
        if (Number.isFinite(this.held.nats)) thinned(this.history, [card.step, this.held.nats]);
      }
      this.#fresh = true;
      await this.ask(x);
      if (resting) this.field = { n: FINE, values: (await card.field(FINE)).values };
    } catch (error) {
      this.trouble = message(error);
    }
  }

  /** @param {[number, number]} x */
  async ask(x) {
    try {
      this.probe = await this.card?.probe(x);
      this.picture = this.inside ? await this.card?.picture({ probe: x, time: this.time }) : undefined;
    } catch (error) {
      this.trouble = message(error);
    }
  }
}

/** At most so many values of a line are kept: then every other one is left out. @param {[number, number][]} line @param {[number, number]} value */
function thinned(line, value) {
  if (line.at(-1)?.[0] === value[0]) line.pop();
  line.push(value);
  if (line.length > 400) line.splice(0, line.length, ...line.filter((_, i) => i % 2 === 1));
}

/** @param {unknown} error */
function message(error) {
  return error instanceof Error ? error.message : String(error);
}
