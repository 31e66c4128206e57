// x ~ p(x): the grid of samples, the controls that steer them, and how one of them came about.

import { LitElement, html, nothing } from "lit";
import { PofxError, parseSeed } from "../p-of-x.js";
import { Film, hasInk } from "./film.js";
import { fromLink, isPoint, startValues } from "./controls.js";
import { drawingProgress, whichPictures } from "./drawing.js";
import { latentsOf } from "./latents.js";
import { pictureOf } from "./picture.js";
import { samplerStyles } from "./sampler-styles.js";
import { shared } from "./styles.js";
import { randomSeed } from "./seed-row.js";
import { Undo } from "./undo.js";
import "./controls.js";
import "./picture-list.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("../p-of-x.js").SampleStep} SampleStep */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** A model that draws all its pictures faster than this draws anew whenever a control moves. */
const LIVE_MS = 800;
/** Frames of a film that is saved. */
const FILM_FRAMES = 60;

/**
 * `<pofx-sampler>`: properties `seed`, `n`, `asked` (the picture that is asked about elsewhere), `selected` (index of the
 * sample that is chosen, or -1), `own` (the weights are a person's own), `answered` (what is chosen is asked about elsewhere) and `rooms`
 * (there is a place to ask more). Events: `pick` and `send` (detail: pixels, label, index), `redraw`, `drawn`, `answer` (detail: Estimate),
 * `model` (detail: the Setting of another model to go back to), `failed` (detail: PofxError), `say` (detail: a sentence for those who listen).
 */
export class Sampler extends LitElement {
  static properties = {
    seed: {},
    n: { type: Number },
    asked: { attribute: false },
    selected: { type: Number },
    model: { state: true },
    step: { state: true },
    sampling: { state: true },
    encoding: { state: true },
    values: { state: true },
    errors: { state: true },
    stale: { state: true },
    seedText: { state: true },
    badSeed: { state: true },
    which: { state: true },
    shown: { state: true },
    atlas: { state: true },
    surveying: { state: true },
    own: { type: Boolean },
    answered: { type: Boolean },
    rooms: { type: Boolean },
    locked: { state: true },
    open: { state: true },
    from: { state: true },
    pinned: { state: true },
  };

  static styles = [shared, samplerStyles];

  constructor() {
    super();
    this.seed = "0";
    this.n = 16;
    /** @type {Pixels | undefined} */ this.asked = undefined;
    this.selected = -1;
    /** @type {Model | undefined} */ this.model = undefined;
    /** @type {SampleStep | undefined} */ this.step = undefined;
    this.sampling = false;
    /** How far the search for latents is, while there is one. @type {import("../p-of-x.js").Progress | undefined} */ this.encoding = undefined;
    /** What was set, by name of the control. @type {Record<string, any>} */ this.values = {};
    /** @type {Record<string, string>} */ this.errors = {};
    /** Whether the samples were drawn with other values. */
    this.stale = false;
    /** @type {string | undefined} */ this.seedText = undefined;
    this.badSeed = false;
    /** @type {"images" | "predicted"} */ this.which = "images";
    /** The picture whose film is shown. */
    this.shown = 0;
    /** Pictures below the map of two latents. @type {Pixels[]} */ this.atlas = [];
    /** How many of them have been drawn of how many, while they are. @type {[number, number] | undefined} */ this.surveying = undefined;
    /** Whether the weights are a person's own. */ this.own = false;
    /** Whether what is chosen is asked about elsewhere. */ this.answered = false;
    /** Whether there is a place to ask more about it. */ this.rooms = false;
    /** Whether the seed stays. */ this.locked = false;
    /** Whether a sample is shown large. */ this.open = false;
    /** Where a walk starts. @type {{ pixels: Pixels, index: number } | undefined} */ this.from = undefined;
    /** The setting to compare with. @type {{ values: Record<string, any>, step: SampleStep } | undefined} */ this.pinned = undefined;
  }

  #film = new Film();
  #undo = new Undo();
  /** The setting of another model that is gone back to, until that is open. @type {import("./undo.js").Setting | undefined} */ #wanted;
  #job = new AbortController();
  /** The survey goes beside the other jobs: a picture of it takes no time. */ #survey = new AbortController();
  /** How long the last run took. */ #took = Infinity;
  /** A control has moved while the last values were drawn. */ #again = false;

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
    this.#survey.abort();
  }

  /**
   * Takes another model. What was set stays if the model is the same one with other weights.
   * @param {Model} model
   * @param {Record<string, any>} [linked] what a link says of the controls
   */
  start(model, linked) {
    const same = this.model?.id === model.id;
    this.#job.abort();
    // Other weights are no other setting.
    if (this.model !== model) this.#leave();
    this.model = model;
    this.#took = Infinity;
    if (!same) {
      this.step = undefined;
      this.open = false;
      this.from = undefined;
      this.which = "images";
      this.shown = 0;
      this.values = startValues(model.controls);
    }
    if (linked) this.values = { ...startValues(model.controls), ...fromLink(model.controls, linked) };
    if (this.#wanted?.model === model.id) this.values = this.#wanted.values;
    this.#wanted = undefined;
    this.errors = {};
  }

  /** Lets go of what the model before has drawn beside the samples. */
  #leave() {
    this.#survey.abort();
    Object.assign(this, { pinned: undefined, atlas: [], surveying: undefined });
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("seed")) this.seedText = undefined;
  }

  /** The first sample, to ask about. */
  get first() {
    return this.#picked(0);
  }

  /** A sample that may be asked about. @param {number} index */
  #picked(index) {
    const { step } = this;
    return step && index < step.done ? { pixels: pictureOf(step, index), label: `Sample ${index + 1} of seed ${step.seed}`, index } : undefined;
  }

  /** Values that are not those of the start, for a link. */
  get changed() {
    const start = startValues(this.model?.controls ?? []);
    return Object.fromEntries(Object.entries(this.values).filter(([name, value]) => start[name] !== value));
  }

  /** How many pictures are drawn. */
  get #count() {
    return isPoint(this.model?.card.family, this.values) ? 1 : this.n;
  }

  /** The picture that controls may take: the chosen sample, else the one that is asked about. */
  get #choice() {
    const { step, selected } = this;
    return step && selected >= 0 && selected < step.done ? pictureOf(step, selected) : this.asked;
  }

  /** Draws new samples with the seed in the field. */
  async generate() {
    await this.#run(async (/** @type {Model} */ model, signal) => {
      const from = performance.now();
      const n = this.#count;
      const { seed } = this;
      this.#film = new Film();
      this.stale = false;
      this.open = false;
      this.#undo.keep(this.#setting);
      this.dispatchEvent(new CustomEvent("redraw"));
      for await (const step of model.sample({ ...this.values, n, seed, signal })) {
        this.step = step;
        this.#film.add(step);
      }
      this.#took = performance.now() - from;
      this.#say(`${n} new samples with seed ${seed}.`);
      this.dispatchEvent(new CustomEvent("drawn"));
    });
  }

  get #setting() {
    return { model: this.model?.id ?? "", seed: this.seed, n: this.n, values: this.values };
  }

  /** Draws because a person said so: with a new seed, where the same samples would come again and nothing holds the seed. */
  #draw() {
    const { step } = this;
    const again = step !== undefined && step.done === step.n && this.seedText === undefined && this.#undo.isNow(this.#setting);
    if (again && !this.locked) this.seedText = randomSeed();
    void this.generate();
  }

  /** Takes back the last change of model, seed, number or controls. */
  #takeBack() {
    const last = this.#undo.back();
    if (!last) return;
    const here = last.model === this.model?.id;
    if (!here || this.#wanted) this.dispatchEvent(new CustomEvent("model", { detail: last }));
    this.#wanted = here ? undefined : last;
    if (!here) return;
    const { seed, n, values } = last;
    Object.assign(this, { seed, n, values, seedText: undefined, errors: {} });
    void this.generate();
  }

  /** Ctrl+Z, but not where text is edited. @param {KeyboardEvent} event */
  #onKey(event) {
    const [target] = event.composedPath();
    const edits = target instanceof HTMLInputElement && !["range", "checkbox", "radio"].includes(target.type);
    if (edits || event.key !== "z" || event.shiftKey || !(event.ctrlKey || event.metaKey) || !this.#undo.possible) return;
    event.preventDefault();
    this.#takeBack();
  }

  /** Keeps this setting beside the next ones. */
  async #pin() {
    const { step, values } = this;
    await import("./pinned.js");
    if (step && this.step === step) this.pinned = { step, values };
  }

  /** Goes back to the setting that was kept, and keeps this one. */
  #swap() {
    const { pinned, step, values } = this;
    if (!pinned || !step) return;
    this.pinned = { step, values };
    this.values = pinned.values;
    void this.generate();
  }

  /** What is to be done with the large sample. @param {CustomEvent<{ values: Record<string, any>, open?: string, encode?: Record<string, Pixels> }>} event */
  #onSteer({ detail: { values, open, encode } }) {
    this.values = { ...this.values, ...values };
    this.stale = true;
    if (encode) return void this.#encode(encode);
    if (!open) return void this.generate();
    void this.updateComplete.then(() => /** @type {import("./controls.js").Controls | null} */ (this.renderRoot.querySelector("pofx-controls"))?.reveal(open));
  }

  /** Encodes pictures, and draws from where they lie. @param {Record<string, Pixels>} pictures by the latent that each is for */
  async #encode(pictures) {
    let found = false;
    await this.#run(async (/** @type {Model} */ model, signal) => {
      const latents = await latentsOf(model, pictures, this.values, { seed: this.seed, signal, onProgress: (progress) => (this.encoding = progress) });
      this.values = { ...this.values, ...latents };
      found = true;
    });
    if (found) await this.generate();
  }

  /** Draws what lies below the map of two latents, a row at a time; after a stop, from where it stood. */
  async #drawAtlas() {
    const { model } = this;
    if (!model) return;
    this.#survey.abort();
    const { signal } = (this.#survey = new AbortController());
    const atlas = [...this.atlas];
    try {
      const { ATLAS_POINTS } = await import("./latent.js");
      for (const latent of ATLAS_POINTS.slice(atlas.length)) {
        this.surveying = [atlas.length, ATLAS_POINTS.length];
        for await (const step of model.sample({ n: 1, latent, signal })) atlas.push(pictureOf(step, 0));
        if (signal.aborted) return;
        if (atlas.length % 11 === 0) this.atlas = [...atlas];
      }
    } catch (thrown) {
      const error = PofxError.from(thrown);
      // The model was closed: another takes its place in a moment.
      if (!signal.aborted && error.code !== "bad-request") this.#fail(error);
    } finally {
      if (!signal.aborted) this.surveying = undefined;
    }
  }

  /** @param {(model: Model, signal: AbortSignal) => Promise<void>} work */
  async #run(work) {
    this.#job.abort();
    const { model } = this;
    if (!model) return;
    const { signal } = (this.#job = new AbortController());
    try {
      this.seed = String(parseSeed(this.seedText ?? this.seed));
      this.seedText = undefined;
      this.badSeed = false;
      this.errors = {};
      this.sampling = true;
      this.encoding = undefined;
      this.dispatchEvent(new CustomEvent("begin"));
      await work(model, signal);
    } catch (thrown) {
      this.#fail(PofxError.from(thrown));
    } finally {
      if (!signal.aborted) this.sampling = false;
    }
  }

  /** What is wrong with a control stands beside it; the rest is the page's. @param {PofxError} error */
  #fail(error) {
    if (error.code === "aborted") return;
    const name = /^'([^']+)'/.exec(error.message)?.[1] ?? "";
    const known = this.model?.controls.some((control) => control.name === name);
    this.badSeed = error.code === "bad-seed";
    if (known) this.errors = { [name]: error.message };
    else this.dispatchEvent(new CustomEvent("failed", { detail: error }));
  }

  #stop() {
    this.#job.abort();
    this.#survey.abort();
    this.sampling = false;
    this.surveying = undefined;
    this.#say("Stopped.");
  }

  /** @param {CustomEvent<{ name: string, value: unknown }>} event */
  async #onControl({ detail: { name, value } }) {
    this.values = { ...this.values, [name]: value };
    const { [name]: _, ...errors } = this.errors;
    this.errors = errors;
    this.stale = true;
    this.#again = true;
    if (this.sampling || this.#took > LIVE_MS) return;
    while (this.#again) {
      this.#again = false;
      await this.generate();
    }
  }

  #reset() {
    this.values = startValues(this.model?.controls ?? []);
    this.errors = {};
    void this.generate();
  }

  /** @param {CustomEvent<{ index: number }>} event */
  #onPick({ detail: { index } }) {
    if (!this.step) return;
    this.shown = index;
    // Loaded when the first sample is opened.
    void import("./large.js").then(() => (this.open = true));
    this.dispatchEvent(new CustomEvent("pick", { detail: this.#picked(index) }));
  }

  #dice() {
    this.seedText = randomSeed();
    void this.generate();
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.dispatchEvent(new CustomEvent("say", { detail: sentence }));
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  render() {
    const n = this.#count;
    return html`
      <h2 id="sample-title"><i>x</i> ∼ <i>p</i>(<i>x</i>)</h2>
      <p class="sub">Pictures the model has just made up. Choose one to see it large and how likely it is.</p>
      <div class="halves ${this.pinned ? "compared" : ""}" @keydown=${this.#onKey}>
        <div>${this.#renderDrawn(n)}</div>
        <div class="side">
          ${this.open && !this.sampling ? this.#renderLarge(n) : nothing}
          ${(this.model?.controls.length ?? 0) > 0 ? this.#renderControls() : nothing}
        </div>
      </div>
    `;
  }

  /** @param {number} n */
  #renderDrawn(n) {
    const { shown } = this;
    const frames = this.#film.of(Math.min(shown, n - 1));
    return html`
      <div class="grids">
        <div>
          ${this.pinned ? html`<div class="head"><strong>Now</strong></div>` : nothing}
          <pofx-picture-list
            label="Samples; choose one to see it large"
            .columns=${Math.ceil(Math.sqrt(n))}
            .items=${this.#items(n)}
            .selected=${this.selected}
            @pick=${this.#onPick}
            aria-busy=${this.sampling}
          ></pofx-picture-list>
        </div>
        ${this.#renderPinned()}
      </div>
      <div class="progress">${drawingProgress(this, () => this.#stop())}</div>
      ${this.step?.notices.length ? html`<ul class="notices">${this.step.notices.map((notice) => html`<li>${notice}</li>`)}</ul>` : nothing}
      ${this.model?.card.family === "diffusion" ? whichPictures(this.which, (which) => (this.which = which)) : nothing}
      ${frames.length > 0 ? html`<pofx-film label="How sample ${shown + 1} came about" .frames=${frames}></pofx-film>` : nothing}
      <pofx-seed
        .seed=${this.seedText ?? this.seed}
        .n=${this.n}
        .locked=${this.locked}
        .bad=${this.badSeed}
        @seed=${(/** @type {CustomEvent<string>} */ { detail }) => (this.seedText = detail)}
        @draw=${this.#draw}
        @dice=${this.#dice}
        @lock=${(/** @type {CustomEvent<boolean>} */ { detail }) => (this.locked = detail)}
        @count=${(/** @type {CustomEvent<number>} */ { detail }) => ((this.n = detail), void this.generate())}
      ></pofx-seed>
    `;
  }

  #renderPinned() {
    const { pinned } = this;
    if (!pinned) return nothing;
    return html`<pofx-pinned
      .model=${this.model}
      .values=${pinned.values}
      .step=${pinned.step}
      .now=${this.values}
      .beside=${this.sampling ? undefined : this.step}
      @swap=${this.#swap}
      @close=${() => (this.pinned = undefined)}
      @failed=${(/** @type {CustomEvent<PofxError>} */ { detail }) => this.#fail(detail)}
    ></pofx-pinned>`;
  }

  /** @param {number} n */
  #renderLarge(n) {
    const index = Math.min(this.shown, n - 1);
    const forward = (/** @type {CustomEvent} */ { type, detail }) => this.dispatchEvent(new CustomEvent(type, { detail }));
    return html`<pofx-large
      .model=${this.model}
      .step=${this.step}
      .index=${index}
      .values=${this.#undo.now?.values ?? {}}
      .film=${this.#film.of(index, FILM_FRAMES).map(({ image }) => image)}
      .from=${this.from}
      ?own=${this.own}
      ?answered=${this.answered}
      ?rooms=${this.rooms}
      @close=${this.#onClose}
      @from=${() => (this.from = this.#picked(index))}
      @answer=${forward}
      @failed=${forward}
      @send=${() => this.dispatchEvent(new CustomEvent("send", { detail: this.#picked(index) }))}
      @steer=${this.#onSteer}
    ></pofx-large>`;
  }

  #onClose() {
    this.open = false;
    void this.updateComplete.then(() => {
      const list = this.renderRoot.querySelector("pofx-picture-list")?.shadowRoot;
      const option = list?.querySelector(`[data-index="${this.shown}"]`);
      if (option instanceof HTMLElement) option.focus();
    });
  }

  /** @param {number} n */
  #items(n) {
    const { step } = this;
    return Array.from({ length: n }, (_, i) => {
      const label = `Sample ${i + 1} of ${n}`;
      if (!step || step.n !== n) return { label: `${label}, not there yet` };
      if (i < step.done) return { pixels: pictureOf(step, i, this.which), label };
      const pixels = pictureOf(step, i, this.which);
      return { pixels: hasInk(pixels) ? pixels : undefined, disabled: true, label: `${label}, not there yet` };
    });
  }

  #renderControls() {
    return html`<section class="steer" aria-labelledby="controls-title">
      <div class="head">
        <h3 id="controls-title">Controls</h3>
        <div>
          <button type="button" class="quiet" ?disabled=${!this.#undo.possible} @click=${this.#takeBack}>Undo</button>
          ${this.pinned ? nothing : html`<button type="button" class="quiet" ?disabled=${!this.step} @click=${this.#pin}>Compare</button>`}
          <button type="button" class="quiet" @click=${this.#reset}>Reset to defaults</button>
        </div>
      </div>
      <pofx-controls
        random
        .card=${this.model?.card}
        .model=${this.model}
        .controls=${this.model?.controls ?? []}
        .values=${this.values}
        .errors=${this.errors}
        .choice=${this.#choice}
        @change=${this.#onControl}
        .atlas=${this.atlas}
        @encode=${(/** @type {CustomEvent<{ name: string }>} */ { detail }) => this.#choice && void this.#encode({ [detail.name]: this.#choice })}
        @survey=${() => void this.#drawAtlas()}
      ></pofx-controls>
    </section>`;
  }
}

customElements.define("pofx-sampler", Sampler);
