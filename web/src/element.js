// <p-of-x model="mnist-diffusion" task="generate" query="drawing" seed="7">What is shown until it runs, and where it can't</p-of-x>
//
// Draws samples of a model and answers how likely a picture is. It uses the public API and nothing else. Each half is loaded
// when it is first shown, the engine and the weights when the element comes into view.

import { LitElement, html, nothing } from "lit";
import { PofxError, open } from "./p-of-x.js";
import { part } from "./part.js";
import { isBinary } from "./ui/card.js";
import { elementStyles } from "./ui/element-styles.js";
import { FileDrops } from "./ui/file-drops.js";
import { chipText } from "./ui/engine-chip.js";
import { duration, megabytes, percent, soFar } from "./ui/format.js";
import { SIDE, pictureOf } from "./ui/picture.js";
import { USUAL_COUNT } from "./ui/state.js";
import { shared } from "./ui/styles.js";

/** @typedef {import("./p-of-x.js").Model} Model */
/** @typedef {import("./p-of-x.js").Estimate} Estimate */
/** @typedef {import("./p-of-x.js").Progress} Progress */
/** @typedef {import("./ui/asker.js").Asker} Asker */
/** @typedef {import("./ui/sampler.js").Sampler} Sampler */
/** @typedef {import("./ui/picture.js").Pixels} Pixels */

/** What each task needs, loaded when it is first shown. @type {Record<string, () => Promise<unknown>>} */
const HALVES = {
  generate: () => part(() => import("./ui/sampler.js")),
  ask: () => part(() => import("./ui/asker.js")),
};
/** A picture that can be asked about. @typedef {{ pixels: Pixels, label: string, index: number }} Picked */
/** Loading starts this far before the element comes into view. */
const NEAR = "200px";
/** The card of the model, which is closed, and what stands below an answer come so long after what they are about. */
const BELOW_MS = 1000;

/**
 * Attributes and properties: `model`, `task` ("generate", "ask", "lab", else the first two), `seed`, `n`, `query`, `backend`, `loading` ("eager", else
 * when the element comes into view), `rooms` (present: a sample may be sent to the other task), `setting` (of the lab).
 * Events: `load` (detail: the card), `sample` (the last SampleStep), `estimate` (the Estimate), `progress` (the Progress),
 * `error` (the PofxError), `backendchange`, `statechange`, `taskchange` (the task). All bubble and cross shadow roots. The lab sends
 * `load` (without a detail), `error` and `statechange` (detail: the `setting`) alone.
 * Children: shown until engine and model are there, and beside the sentence that says why they can't be.
 * Parts: `sample`, `asker`, `reading`, `card`, `trainer`, `lab`, `engine`. Colours and fonts: the custom properties of ui/styles.js.
 */
export class PofxElement extends LitElement {
  static properties = {
    model: { reflect: true },
    task: { reflect: true },
    seed: { reflect: true },
    query: { reflect: true },
    backend: { reflect: true },
    loading: {},
    setting: {},
    rooms: { type: Boolean },
    n: { type: Number, reflect: true },
    opened: { state: true },
    backendInfo: { state: true },
    progress: { state: true },
    estimate: { state: true },
    asked: { state: true },
    sample: { state: true },
    error: { state: true },
    ownWeights: { state: true },
    status: { state: true },
    note: { state: true },
    ready: { state: true },
  };

  static styles = [shared, elementStyles];

  constructor() {
    super();
    this.model = "binary-mnist-vae";
    /** "generate" or "ask" shows that half alone, "lab" models of the plane. */
    this.task = "";
    /** What the lab begins with: what stands in the address of the lab's page behind the "#". */
    this.setting = "";
    /** When the engine is loaded: "eager", else when the element comes into view. */
    this.loading = "";
    /** Whether the page has a place for the other task. */
    this.rooms = false;
    /** A whole number, as text: it may come from an address. */
    this.seed = "7";
    /** What is asked about first: "drawing" (a test digit on the pad, or the first sample) or "none". */
    this.query = "drawing";
    this.backend = "auto";
    this.n = USUAL_COUNT;
    /** @type {Model | undefined} */ this.opened = undefined;
    /** @type {import("./p-of-x.js").BackendInfo | undefined} */ this.backendInfo = undefined;
    /** @type {Progress | undefined} */ this.progress = undefined;
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** The picture that is asked about. @type {Pixels | undefined} */ this.asked = undefined;
    /** Which sample that is, or -1. */
    this.sample = -1;
    /** @type {PofxError | undefined} */ this.error = undefined;
    this.ownWeights = "";
    this.status = "";
    /** What a person should know of what is shown, until it is dismissed. */
    this.note = "";
    /** Whether engine, model and a half have arrived. */
    this.ready = false;
  }

  #drops = new FileDrops(this, (file) => void this.#take(file));
  /** Ends the opening of a model for a page that goes away or asks for something else. */
  #opening = new AbortController();
  /** Whether a model is being opened here: the progress may also be that of a comparison, which has its own way to stop. */ #opens = false;
  /** What a link says, until the half that it is about has begun. @type {import("./ui/state.js").LinkState} */ #linked = {};
  /** Which halves work with the open model. @type {Set<string>} */ #begun = new Set();
  /** The last time that something began. @type {Promise<void> | undefined} */ #entered;
  /** Weights to open the next model with. @type {File | undefined} */ #dropped;
  /** Whether a question is on its way, so that no other is asked first. */ #hasQuestion = false;
  #view = new IntersectionObserver(
    (entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) this.#start();
    },
    { rootMargin: NEAR },
  );
  #started = false;

  connectedCallback() {
    super.connectedCallback();
    if (this.loading === "eager") queueMicrotask(() => this.#start());
    else this.#view.observe(this);
  }

  #start() {
    this.#view.disconnect();
    if (this.#started || !this.isConnected) return;
    this.#started = true;
    this.#begin();
    this.requestUpdate();
  }

  #begin() {
    if (this.task === "lab" || !this.opened) this.#load();
  }

  /** Opens what the task needs: at first, and once more after an error. */
  #load() {
    if (this.task === "lab") void this.#openLab();
    else void this.#open();
  }

  /** Whether the lab may begin: its part is here, and it has not failed. */ #hasLab = false;

  async #openLab() {
    this.error = undefined;
    try {
      await part(() => import("./lab/lab.js"));
      this.#hasLab = true;
      this.requestUpdate();
    } catch (cause) {
      this.#fail(new PofxError("network", "The lab could not be downloaded: the network did not answer.", { cause }));
    }
  }

  #onLabReady() {
    this.ready = true;
    this.#tell("load");
  }

  /** Before it is ready, what is in the element takes its place; later it says itself what went wrong. @param {CustomEvent<PofxError>} event */
  #onLabFailed({ detail }) {
    if (this.ready) return this.#tell("error", detail);
    this.#hasLab = false;
    this.#fail(detail);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#view.disconnect();
    this.#started = false;
    this.#opening.abort();
    this.opened?.close();
    this.opened = undefined;
    this.ready = false;
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (changed.has("task") && changed.get("task") !== undefined && this.#started) this.#begin();
    if (changed.has("task") && this.opened) this.#entered = this.#enter(this.opened).catch((thrown) => this.#fail(thrown));
    // Not the first time: then the element has just been connected.
    if (!changed.has("model") || changed.get("model") === undefined || !this.isConnected) return;
    this.#opening.abort();
    this.progress = undefined;
    const weights = this.#dropped;
    this.#dropped = undefined;
    if (weights || this.model !== this.opened?.id) void this.#open(weights);
  }

  /** What an address needs to show the same again. @returns {import("./ui/state.js").LinkState} */
  get state() {
    const values = this.#begun.has("generate") ? this.#sampler.changed : this.#linked.values;
    const n = this.n === USUAL_COUNT ? undefined : this.n;
    return { model: this.model, seed: this.seed, n, values, ...(this.#begun.has("ask") ? this.#question : this.#linkedQuestion) };
  }

  /** What is asked and how, as an address says it. @returns {import("./ui/state.js").LinkState} */
  get #question() {
    const { pixels, levels: data, width = 0, height = 0, channels = 0 } = this.estimate?.scored ?? {};
    const asked = isBinary(this.opened?.card) ? { pixels } : { picture: data && { data, width, height, channels } };
    return { ...asked, ...this.#asker.setting };
  }

  get #linkedQuestion() {
    const { pixels, picture, labels, estimator } = this.#linked;
    return { pixels, picture, labels, estimator };
  }

  /** @param {string} task */
  #shows(task) {
    return this.task !== "lab" && (!(this.task in HALVES) || this.task === task);
  }

  /** Shows what a link says, as soon as the model is there. @param {import("./ui/state.js").LinkState} linked */
  show(linked) {
    if (linked.seed !== undefined) this.seed = linked.seed;
    if (linked.n !== undefined) this.n = linked.n;
    this.#linked = linked;
    if (linked.model !== undefined && linked.model !== this.model) this.model = linked.model;
    else if (this.opened) void this.#beginWith(this.opened);
  }

  /**
   * Asks how likely a picture of 28 x 28 values from 0 to 255 is, as soon as the model is there.
   * @param {Uint8Array} pixels
   */
  ask(pixels) {
    this.show({ pixels });
  }

  get #sampler() {
    return /** @type {Sampler} */ (this.renderRoot.querySelector("pofx-sampler"));
  }

  get #asker() {
    return /** @type {Asker} */ (this.renderRoot.querySelector("pofx-asker"));
  }

  /** @param {File} [weights] a person's own */
  async #open(weights) {
    this.#opening.abort();
    const { signal } = (this.#opening = new AbortController());
    this.error = undefined;
    this.#opens = true;
    // Meanwhile: what fails here is asked for once more when it is needed.
    for (const [task, load] of Object.entries(HALVES)) if (this.#shows(task)) load().catch(() => {});
    try {
      const backend = /** @type {import("./p-of-x.js").BackendChoice} */ (
        ["webgpu", "cpu"].includes(this.backend) ? this.backend : "auto"
      );
      const model = await open(this.model, { backend, weights, signal, onProgress: (progress) => this.#onProgress(progress) });
      this.#opens = false;
      this.opened?.close();
      this.opened = model;
      this.ownWeights = weights?.name ?? "";
      this.#showBackend();
      model.addEventListener("backendchange", () => this.#showBackend());
      this.#tell("load", model.card);
      await this.#beginWith(model);
    } catch (thrown) {
      this.#fail(thrown);
      // The model that is there stays.
      if (!signal.aborted && this.opened) this.model = this.opened.id;
    } finally {
      if (!signal.aborted) [this.progress, this.#opens] = [undefined, false];
      setTimeout(() => void import("./ui/model-card.js"), BELOW_MS);
    }
  }

  /** A person does not want the model after all: the one that is there stays. */
  #stopOpening() {
    this.#opening.abort();
    const what = /** @type {(string | undefined)[]} */ (["self-test", "compile"]).includes(this.progress?.phase) ? "preparation" : "download";
    this.#opens = false;
    this.progress = undefined;
    if (this.opened) this.model = this.opened.id;
    else this.error = new PofxError("aborted", `The ${what} was stopped.`);
    this.#tell("statechange");
  }

  /** Begins anew with a model: the first samples and the first question. @param {Model} model */
  async #beginWith(model) {
    this.#begun.clear();
    this.estimate = undefined;
    await this.#enter(model);
  }

  /** Begins what is shown and has not begun. @param {Model} model */
  async #enter(model) {
    for (const [task, load] of Object.entries(HALVES)) {
      if (!this.#shows(task) || this.#begun.has(task)) continue;
      this.#begun.add(task);
      await load().catch((cause) => {
        this.#begun.delete(task);
        throw new PofxError("network", "A part of this element could not be downloaded: the network did not answer.", { cause });
      });
      if (this.opened !== model) return;
      this.ready = true;
      await this.updateComplete;
      if (this.opened !== model) return;
      await (task === "generate" ? this.#beginSampling(model) : this.#beginAsking(model));
      if (this.opened !== model) return;
    }
    this.#tell("statechange");
  }

  /** @param {Model} model */
  async #beginSampling(model) {
    this.#sampler.start(model, this.#linked.values);
    this.#linked.values = undefined;
    await this.updateComplete;
    await this.#sampler.generate();
  }

  /** @param {Model} model */
  async #beginAsking(model) {
    const { pixels, picture, labels, estimator } = this.#linkedQuestion;
    this.#linked = { values: this.#linked.values };
    const asker = this.#asker;
    await asker.start(model, { labels, estimator });
    const linked = pixels ? { data: pixels, width: SIDE, height: SIDE, channels: 1 } : picture;
    if (linked) return asker.ask(linked, "The picture from the link");
    if (this.#hasQuestion || this.query !== "drawing") return;
    await asker.askFirst(() => this.#firstSample(model));
  }

  /** A sample to ask about: the first that was drawn, else one that is drawn now. @param {Model} model */
  async #firstSample(model) {
    const drawn = this.#begun.has("generate") ? this.#sampler.first : undefined;
    if (drawn) return drawn;
    for await (const step of model.sample({ n: 1, seed: this.seed })) {
      if (step.done === 1) return { pixels: pictureOf(step, 0), label: `A sample with seed ${step.seed}`, index: -1 };
    }
    return undefined;
  }

  async #saveOnnx() {
    const { opened } = this;
    if (!opened) return;
    try {
      const [{ onnxFile }, { save }] = await Promise.all([import("./export/onnx.js"), import("./export/save.js")]);
      const file = await onnxFile(opened);
      save(file);
      this.status = `${file.name} was saved.`;
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #showBackend() {
    this.backendInfo = this.opened?.backend;
    if (!this.backendInfo) return;
    this.status = `Engine: ${chipText(this.backendInfo)}. ${this.backendInfo.reason}`;
    this.#tell("backendchange", this.backendInfo);
  }

  /** @param {File} file */
  async #take(file) {
    this.note = "";
    try {
      const { read } = await import("./ui/dropped.js");
      const dropped = await read(file);
      if ("weights" in dropped) this.#takeWeights(file, dropped.model);
      else if ("recipe" in dropped && (this.rooms || this.#shows("generate"))) await this.#restore(dropped);
      else await this.#askFile(file);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Weights that do not name their model are taken for those of the one that is open. @param {File} file @param {string} [id] */
  #takeWeights(file, id = this.model) {
    this.#dropped = id === this.model ? undefined : file;
    if (this.#dropped) this.model = id;
    else void this.#open(file);
  }

  /** Goes back to what a picture was drawn from. @param {Extract<import("./ui/dropped.js").Dropped, { but: string }>} dropped */
  async #restore({ recipe, but }) {
    await this.#change("generate");
    this.n = recipe.n;
    this.show({ model: recipe.model, seed: recipe.seed, values: recipe.controls });
    this.status = `The recipe of ${recipe.model}, seed ${recipe.seed}, was taken from the picture.${but}`;
    this.note = but && this.status;
  }

  /** @param {File} file */
  async #askFile(file) {
    await this.#toAsk();
    if (this.#begun.has("ask")) await this.#asker.askFile(file);
  }

  /** Goes to the half that asks, for a question that is asked next. */
  async #toAsk() {
    this.#hasQuestion = true;
    await this.#change("ask").finally(() => (this.#hasQuestion = false));
  }

  /** Goes to a task, where it is not shown and may be. @param {string} task */
  async #change(task) {
    if (this.#shows(task) || !this.rooms) return;
    this.task = task;
    this.#tell("taskchange", task);
    await this.updateComplete;
    await this.#entered;
  }

  /** @param {Progress | undefined} progress */
  #onProgress(progress) {
    this.progress = progress;
    if (progress) this.#tell("progress", progress);
  }

  /** @param {unknown} thrown */
  #fail(thrown) {
    const error = PofxError.from(thrown);
    if (error.code === "aborted") return;
    this.error = error;
    this.#tell("error", error);
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  // ---- what the halves say -----------------------------------------------------------------------------------------

  /** @param {CustomEvent<Picked>} event */
  #onPick({ detail }) {
    if (this.#shows("ask")) return void this.#asker.ask(detail.pixels, detail.label, detail.index);
    this.sample = detail.index;
    this.asked = detail.pixels;
  }

  /** Goes back to a model. @param {CustomEvent<import("./ui/undo.js").Setting>} event */
  #onModel({ detail: { model, seed, n } }) {
    this.n = n;
    this.show({ model, seed });
  }

  /** Takes a sample to the half that asks. @param {CustomEvent<Picked>} event */
  async #onSend({ detail: { pixels, label, index } }) {
    await this.#toAsk();
    if (this.#begun.has("ask")) await this.#asker.ask(pixels, label, index);
  }

  /** @param {CustomEvent<{ pixels?: Pixels, sample?: number }>} event */
  #onAsked({ detail: { pixels, sample = -1 } }) {
    this.asked = pixels;
    this.sample = sample;
  }

  /** The open model has other weights now. @param {CustomEvent<string>} event */
  #onLearnt({ detail }) {
    this.ownWeights = detail;
  }

  #onDrawn() {
    const { seed, n } = this.#sampler;
    [this.seed, this.n] = [seed, n];
    this.#tell("sample", this.#sampler.step);
    this.#tell("statechange");
  }

  /** @param {CustomEvent<Estimate | undefined>} event */
  #onAnswer({ detail: estimate }) {
    this.estimate = estimate;
    setTimeout(() => void import("./ui/reading.js"), BELOW_MS);
    if (estimate) this.#tell("estimate", estimate);
    this.#tell("statechange");
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  /** Whether there is something to show until the element runs. */
  get #hasFallback() {
    return [...this.childNodes].some((node) => node instanceof Element ? node.localName !== "noscript" : node instanceof Text && node.data.trim());
  }

  render() {
    const lab = this.task === "lab";
    const waits = lab || (!this.ready && this.#hasFallback);
    const say = (/** @type {CustomEvent<string>} */ { detail }) => (this.status = detail);
    const failed = (/** @type {CustomEvent<PofxError>} */ { detail }) => this.#fail(detail);
    const begin = () => (this.error = undefined);
    // Another question does not make a wrong seed right.
    const beginAsking = () => this.error?.code !== "bad-seed" && begin();
    return html`
      <p class="hidden" role="status" aria-live="polite">${this.status}</p>
      <div class="top" ?hidden=${lab}>
        <pofx-engine-chip part="engine" .backend=${this.backendInfo} ?busy=${Boolean(this.progress) || !this.opened}>
          <span class="progress">${this.#renderProgress()}</span>
        </pofx-engine-chip>
      </div>
      <div role="alert" class="alert-place">${this.#renderError()}</div>
      ${this.#renderNote()}
      <slot ?hidden=${this.ready} @slotchange=${() => this.requestUpdate()}></slot>
      ${lab && this.#started && this.#hasLab ? html`<pofx-lab part="lab" ?hidden=${!this.ready && this.#hasFallback} .linked=${false} .setting=${this.setting} .backend=${this.backend} @ready=${this.#onLabReady} @failed=${this.#onLabFailed}></pofx-lab>` : nothing}
      <div class="panels ${this.ready ? "" : "coming"}" ?hidden=${waits}>
        <section class="panel sample" part="sample" aria-label="Samples" ?hidden=${!this.#shows("generate")}>
          ${this.#shows("generate") ? this.#renderMeanwhile("Drawn earlier by this model: it draws new ones as soon as the engine is here.") : nothing}
          <pofx-sampler
            .seed=${this.seed}
            .n=${this.n}
            .asked=${this.asked}
            .selected=${this.sample}
            ?own=${this.ownWeights !== ""}
            ?answered=${this.#shows("ask")}
            ?rooms=${this.rooms}
            @begin=${begin}
            @redraw=${() => (this.sample = -1)}
            @model=${this.#onModel}
            @pick=${this.#onPick}
            @answer=${(/** @type {CustomEvent<Estimate>} */ { detail }) => this.#tell("estimate", detail)}
            @send=${this.#onSend}
            @drawn=${this.#onDrawn}
            @failed=${failed}
            @say=${say}
          ></pofx-sampler>
        </section>
        <section class="panel asker" part="asker" aria-label="Likelihood" ?hidden=${!this.#shows("ask")}>
          ${this.#shows("generate") ? nothing : this.#renderMeanwhile("Drawn earlier by this model: it can be asked about yours as soon as the engine is here.")}
          <pofx-asker
            .seed=${this.seed}
            .backend=${this.backend}
            ?own=${this.ownWeights !== ""}
            @begin=${beginAsking}
            @asked=${this.#onAsked}
            @answer=${this.#onAnswer}
            @progress=${(/** @type {CustomEvent<Progress | undefined>} */ { detail }) => this.#onProgress(detail)}
            @failed=${failed}
            @say=${say}
          ></pofx-asker>
        </section>
        <pofx-reading class="panel" part="reading" ?hidden=${!this.#shows("ask")} .card=${this.opened?.card} .estimate=${this.estimate}></pofx-reading>
      </div>
      <pofx-model-card
        part="card"
        ?hidden=${waits}
        .card=${this.opened?.card}
        .own=${this.ownWeights}
        @weights=${(/** @type {CustomEvent<File>} */ { detail }) => void this.#take(detail)}
        @shipped=${() => void this.#open()}
        @onnx=${() => void this.#saveOnnx()}
      ></pofx-model-card>
      ${this.#shows("generate") ? this.#renderTrainer(say, failed) : nothing}
      ${this.#drops.dragging ? html`<div class="drop">Drop a picture, or a .safetensors file</div>` : nothing}
    `;
  }

  /** Something to look at until there is more: samples that are shipped as a picture. @param {string} caption */
  #renderMeanwhile(caption) {
    if (this.ready || this.error || !this.#started) return nothing;
    const gone = (/** @type {Event} */ { target }) => /** @type {HTMLElement} */ (target).parentElement?.toggleAttribute("hidden", true);
    return html`<figure class="meanwhile">
      <figcaption>${caption}</figcaption>
      <img src=${new URL(`models/${encodeURIComponent(this.model)}/sheet.png`, import.meta.url).href} alt="Samples of ${this.model}" width="604" height="604" @error=${gone} />
    </figure>`;
  }

  /** @param {(event: CustomEvent<string>) => void} say @param {(event: CustomEvent<PofxError>) => void} failed */
  #renderTrainer(say, failed) {
    const load = (/** @type {Event} */ { target }) => void (/** @type {HTMLDetailsElement} */ (target).open && import("./ui/trainer.js"));
    return html`<details part="trainer" @toggle=${load}>
      <summary>Train on your pictures</summary>
      <pofx-trainer
        .model=${this.opened}
        .seed=${this.seed}
        @learnt=${this.#onLearnt}
        @weights=${(/** @type {CustomEvent<File>} */ { detail }) => void this.#open(detail)}
        @shipped=${() => void this.#open()}
        @failed=${failed}
        @say=${say}
      ></pofx-trainer>
    </details>`;
  }

  #renderProgress() {
    const p = this.progress;
    if (!p && this.opened) return nothing;
    if (!p && !this.#started) return nothing;
    if (!p) return html`<span>Starting the engine</span>${this.#renderStop()}`;
    const left = duration(p.seconds_left);
    const count = `${p.done.toLocaleString("en")} of ${p.total.toLocaleString("en")}`;
    const loaded = `${megabytes(p.done)} of ${megabytes(p.total)}, ${percent((100 * p.done) / p.total)}${left}`;
    const what = {
      engine: `Downloading the engine, ${loaded}`,
      download: `Downloading, ${loaded}`,
      "self-test": "Checking the engine against known answers",
      compile: `Preparing the GPU, ${p.done} of ${p.total} kernels${left}`,
      sample: `Sampling${left}`,
      encode: `Looking for the picture in the latent space, ${count}${left}`,
      "log-prob": `Weighing, ${count}${left}${soFar(p)}`,
      train: `${count} steps of training${left}`,
    }[p.phase];
    return html`<span>${what}</span><progress max=${p.total} value=${p.done} aria-label="Progress"></progress>
      ${this.#renderStop()}`;
  }

  #renderStop() {
    return this.#opens ? html`<button type="button" @click=${this.#stopOpening}>Stop</button>` : nothing;
  }

  #renderNote() {
    if (!this.note) return nothing;
    return html`<div class="alert note">
      <p>${this.note}</p>
      <button type="button" class="quiet" @click=${() => (this.note = "")}>Dismiss</button>
    </div>`;
  }

  #renderError() {
    const e = this.error;
    if (!e) return nothing;
    return html`<div class="alert">
      <p>${e.message}</p>
      ${this.ready || !e.recoverable ? nothing : html`<button type="button" @click=${() => this.#load()}>Try again</button>`}
      <button type="button" class="quiet" @click=${() => (this.error = undefined)}>Dismiss</button>
    </div>`;
  }
}

customElements.define("p-of-x", PofxElement);
