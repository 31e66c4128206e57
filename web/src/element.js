// <p-of-x model="mnist-diffusion" query="drawing" seed="7"></p-of-x>
//
// Draws samples of a model and answers how likely a picture is. It uses the public API and nothing else.

import { LitElement, html, nothing } from "lit";
import { PofxError, open } from "./p-of-x.js";
import { isBinary } from "./ui/card.js";
import { elementStyles } from "./ui/element-styles.js";
import { FileDrops } from "./ui/file-drops.js";
import { chipText } from "./ui/engine-chip.js";
import { duration, megabytes, soFar } from "./ui/format.js";
import { SIDE } from "./ui/pad.js";
import { shared } from "./ui/styles.js";
import "./ui/asker.js";
import "./ui/model-card.js";
import "./ui/reading.js";
import "./ui/sampler.js";

/** @typedef {import("./p-of-x.js").Model} Model */
/** @typedef {import("./p-of-x.js").Estimate} Estimate */
/** @typedef {import("./p-of-x.js").Progress} Progress */
/** @typedef {import("./ui/asker.js").Asker} Asker */
/** @typedef {import("./ui/sampler.js").Sampler} Sampler */
/** @typedef {import("./ui/picture.js").Pixels} Pixels */

/**
 * Events: `load`, `progress`, `result` (detail: the Estimate), `error` (detail: the PofxError), `backendchange`,
 * `statechange`. All bubble and cross shadow roots.
 */
export class PofxElement extends LitElement {
  static properties = {
    model: {},
    seed: {},
    query: {},
    backend: {},
    n: { type: Number },
    opened: { state: true },
    backendInfo: { state: true },
    progress: { state: true },
    estimate: { state: true },
    asked: { state: true },
    sample: { state: true },
    error: { state: true },
    ownWeights: { state: true },
    status: { state: true },
  };

  static styles = [shared, elementStyles];

  constructor() {
    super();
    this.model = "binary-mnist-vae";
    /** A whole number, as text: it may come from an address. */
    this.seed = "7";
    /** What is asked about first: "drawing" (a test digit on the pad, or the first sample) or "none". */
    this.query = "drawing";
    this.backend = "auto";
    this.n = 16;
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
  }

  #drops = new FileDrops(this, (file) => this.#take(file));
  /** Ends the opening of a model for a page that goes away or asks for something else. */
  #opening = new AbortController();
  /** What a link says, until the model is there. @type {import("./ui/state.js").LinkState} */ #linked = {};

  connectedCallback() {
    super.connectedCallback();
    queueMicrotask(() => void this.#open());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#opening.abort();
    this.opened?.close();
    this.opened = undefined;
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    // Not the first time: then the element has just been connected.
    if (!changed.has("model") || changed.get("model") === undefined || !this.isConnected) return;
    this.#opening.abort();
    this.progress = undefined;
    if (this.model !== this.opened?.id) void this.#open();
  }

  /** What an address needs to show the same again. @returns {import("./ui/state.js").LinkState} */
  get state() {
    const scored = isBinary(this.opened?.card) ? this.estimate?.scored.pixels : undefined;
    return { model: this.model, seed: this.seed, values: this.#sampler.changed, pixels: scored };
  }

  /** Shows what a link says, as soon as the model is there. @param {import("./ui/state.js").LinkState} linked */
  show(linked) {
    if (linked.seed !== undefined) this.seed = linked.seed;
    this.#linked = linked;
    if (linked.model !== undefined && linked.model !== this.model) this.model = linked.model;
    else if (this.opened) void this.#begin(this.opened);
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
    try {
      const backend = /** @type {import("./p-of-x.js").BackendChoice} */ (
        ["webgpu", "cpu"].includes(this.backend) ? this.backend : "auto"
      );
      const model = await open(this.model, { backend, weights, signal, onProgress: (progress) => this.#onProgress(progress) });
      this.opened?.close();
      this.opened = model;
      this.ownWeights = weights?.name ?? "";
      this.#showBackend();
      model.addEventListener("backendchange", () => this.#showBackend());
      this.#tell("load", model.card);
      await this.#begin(model);
    } catch (thrown) {
      this.#fail(thrown);
      // The model that is there stays.
      if (!signal.aborted && this.opened) this.model = this.opened.id;
    } finally {
      if (!signal.aborted) this.progress = undefined;
    }
  }

  /** The first samples and the first question. @param {Model} model */
  async #begin(model) {
    const { values, pixels } = this.#linked;
    this.#linked = {};
    const [sampler, asker] = [this.#sampler, this.#asker];
    sampler.start(model, values);
    await asker.start(model);
    await this.updateComplete;
    await sampler.generate();
    if (this.opened !== model) return;
    if (pixels) await asker.ask({ data: pixels, width: SIDE, height: SIDE, channels: 1 }, "The picture from the link");
    else if (this.query === "drawing") await asker.askFirst(sampler.first);
  }

  #showBackend() {
    this.backendInfo = this.opened?.backend;
    if (!this.backendInfo) return;
    this.status = `Engine: ${chipText(this.backendInfo)}. ${this.backendInfo.reason}`;
    this.#tell("backendchange", this.backendInfo);
  }

  /** @param {File} file */
  #take(file) {
    if (/\.safetensors$/i.test(file.name)) void this.#open(file);
    else void this.#takePicture(file);
  }

  /** A picture that was saved here has its recipe inside: then the page goes back to it. @param {File} file */
  async #takePicture(file) {
    try {
      const { recipeIn } = await import("./export/restore.js");
      const recipe = await recipeIn(file);
      if (!recipe) return void this.#asker.askFile(file);
      this.n = recipe.n;
      this.show({ model: recipe.model, seed: recipe.seed, values: recipe.controls });
      this.status = `The recipe of ${recipe.model}, seed ${recipe.seed}, was taken from the picture.`;
    } catch (thrown) {
      this.#fail(PofxError.from(thrown, "bad-image"));
    }
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

  /** @param {CustomEvent<{ pixels: Pixels, label: string, index: number }>} event */
  #onPick({ detail: { pixels, label, index } }) {
    void this.#asker.ask(pixels, label, index);
  }

  /** @param {CustomEvent<{ pixels?: Pixels, sample?: number }>} event */
  #onAsked({ detail: { pixels, sample = -1 } }) {
    this.asked = pixels;
    this.sample = sample;
  }

  #onDrawn() {
    this.seed = this.#sampler.seed;
    this.#tell("statechange");
  }

  /** @param {CustomEvent<Estimate | undefined>} event */
  #onAnswer({ detail: estimate }) {
    this.estimate = estimate;
    if (estimate) this.#tell("result", estimate);
    this.#tell("statechange");
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  render() {
    const say = (/** @type {CustomEvent<string>} */ { detail }) => (this.status = detail);
    const failed = (/** @type {CustomEvent<PofxError>} */ { detail }) => this.#fail(detail);
    const begin = () => (this.error = undefined);
    // Another question does not make a wrong seed right.
    const beginAsking = () => this.error?.code !== "bad-seed" && begin();
    return html`
      <p class="hidden" role="status" aria-live="polite">${this.status}</p>
      <div class="top">
        <pofx-engine-chip .backend=${this.backendInfo} ?busy=${Boolean(this.progress) || !this.opened}>
          <span class="progress">${this.#renderProgress()}</span>
        </pofx-engine-chip>
      </div>
      <div role="alert" class="alert-place">${this.#renderError()}</div>
      <div class="panels">
        <section class="panel sample" aria-label="Samples">
          <pofx-sampler
            .seed=${this.seed}
            .n=${this.n}
            .asked=${this.asked}
            .estimate=${this.estimate}
            ?own=${this.ownWeights !== ""}
            .selected=${this.sample}
            @begin=${begin}
            @redraw=${() => (this.sample = -1)}
            @pick=${this.#onPick}
            @drawn=${this.#onDrawn}
            @failed=${failed}
            @say=${say}
          ></pofx-sampler>
        </section>
        <section class="panel asker" aria-label="Likelihood">
          <pofx-asker
            .seed=${this.seed}
            .backend=${this.backend}
            @begin=${beginAsking}
            @asked=${this.#onAsked}
            @answer=${this.#onAnswer}
            @progress=${(/** @type {CustomEvent<Progress | undefined>} */ { detail }) => this.#onProgress(detail)}
            @failed=${failed}
            @say=${say}
          ></pofx-asker>
        </section>
        <pofx-reading class="panel" .card=${this.opened?.card} .estimate=${this.estimate}></pofx-reading>
      </div>
      <pofx-model-card
        .card=${this.opened?.card}
        .own=${this.ownWeights}
        @weights=${(/** @type {CustomEvent<File>} */ { detail }) => void this.#open(detail)}
        @shipped=${() => void this.#open()}
      ></pofx-model-card>
      ${this.#drops.dragging ? html`<div class="drop">Drop a picture, or a .safetensors file</div>` : nothing}
    `;
  }

  #renderProgress() {
    const p = this.progress;
    if (!p && this.opened) return nothing;
    if (!p) return html`<span>Starting the engine</span>`;
    const left = duration(p.seconds_left);
    const count = `${p.done.toLocaleString("en")} of ${p.total.toLocaleString("en")}`;
    const what = {
      download: `Downloading, ${megabytes(p.done)} of ${megabytes(p.total)}${left}`,
      "self-test": "Checking the engine against known answers",
      compile: `Preparing the GPU, ${p.done} of ${p.total} kernels${left}`,
      sample: `Sampling${left}`,
      encode: `Looking for the picture in the latent space, ${count}${left}`,
      "log-prob": `Weighing, ${count}${left}${soFar(p)}`,
      train: `${count} steps of training${left}`,
    }[p.phase];
    return html`<span>${what}</span><progress max=${p.total} value=${p.done} aria-label="Progress"></progress>`;
  }

  #renderError() {
    const e = this.error;
    if (!e) return nothing;
    return html`<div class="alert">
      <p>${e.message}</p>
      ${this.opened || !e.recoverable ? nothing : html`<button type="button" @click=${() => void this.#open()}>Try again</button>`}
      <button type="button" class="quiet" @click=${() => (this.error = undefined)}>Dismiss</button>
    </div>`;
  }
}

customElements.define("p-of-x", PofxElement);
