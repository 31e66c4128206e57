// <p-of-x model="binary-mnist-vae" query="drawing" seed="7"></p-of-x>
//
// Draws samples of a model and answers how likely a picture is. It uses the public API and nothing else.

import { LitElement, html, nothing } from "lit";
import { PofxError, open, parseSeed } from "./p-of-x.js";
import { elementStyles } from "./ui/element-styles.js";
import { notDigits, testDigits } from "./ui/examples.js";
import { FileDrops } from "./ui/file-drops.js";
import { sentence } from "./ui/answer.js";
import { chipText } from "./ui/engine-chip.js";
import { megabytes } from "./ui/format.js";
import { SIDE } from "./ui/picture.js";
import { shared } from "./ui/styles.js";
import "./ui/breakdown.js";
import "./ui/model-card.js";
import "./ui/pad.js";
import "./ui/picture-list.js";
import "./ui/reading.js";

/** @typedef {import("./p-of-x.js").Model} Model */
/** @typedef {import("./p-of-x.js").Estimate} Estimate */
/** @typedef {import("./p-of-x.js").SampleStep} SampleStep */
/** @typedef {import("./p-of-x.js").Progress} Progress */
/** @typedef {import("./p-of-x.js").ImageInput} ImageInput */
/** @typedef {import("./ui/pad.js").Pad} Pad */
/** @typedef {import("./ui/examples.js").Example} Example */

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
    step: { state: true },
    sampling: { state: true },
    asking: { state: true },
    estimate: { state: true },
    question: { state: true },
    chosen: { state: true },
    error: { state: true },
    seedText: { state: true },
    showPixels: { state: true },
    ownWeights: { state: true },
    examples: { state: true },
    status: { state: true },
  };

  static styles = [shared, elementStyles];

  constructor() {
    super();
    this.model = "binary-mnist-vae";
    /** A whole number, as text: it may come from an address. */
    this.seed = "7";
    /** What is asked about first: "drawing" (a test digit on the pad) or "none". */
    this.query = "drawing";
    this.backend = "auto";
    this.n = 16;
    /** @type {Model | undefined} */ this.opened = undefined;
    /** @type {import("./p-of-x.js").BackendInfo | undefined} */ this.backendInfo = undefined;
    /** @type {Progress | undefined} */ this.progress = undefined;
    /** @type {SampleStep | undefined} */ this.step = undefined;
    this.sampling = false;
    this.asking = false;
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** What is asked about, in words. */
    this.question = "";
    /** Which picture of a list that is. @type {{ list: "samples" | "examples", index: number } | undefined} */
    this.chosen = undefined;
    /** @type {PofxError | undefined} */ this.error = undefined;
    /** @type {string | undefined} */ this.seedText = undefined;
    this.showPixels = false;
    this.ownWeights = "";
    /** @type {Example[]} */ this.examples = [];
    this.status = "";
  }

  #drops = new FileDrops(this, (file) => this.#take(file));
  /** Ends the jobs of a page that goes away or asks for something else. */
  #sampling = new AbortController();
  #asking = new AbortController();
  #opening = new AbortController();
  /** A live drawing is asked about again as soon as the last answer is there, not more often. */
  #drawnMeanwhile = false;
  /** @type {Uint8Array | undefined} a picture that was asked for before the model was there */ #wanted;

  connectedCallback() {
    super.connectedCallback();
    void this.#loadExamples();
    queueMicrotask(() => void this.#open());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const controller of [this.#opening, this.#sampling, this.#asking]) controller.abort();
    this.opened?.close();
    this.opened = undefined;
  }

  /** What an address needs to show the same again. */
  get state() {
    return { seed: this.seed, pixels: this.estimate?.scored.pixels };
  }

  /** @returns {Pad | null} */
  get #pad() {
    return this.renderRoot.querySelector("pofx-pad");
  }

  async #loadExamples() {
    const digits = await testDigits(new URL("examples/mnist-test.png", import.meta.url));
    this.examples = [...digits, ...notDigits()];
  }

  /** @param {File} [weights] a person's own */
  async #open(weights) {
    this.#opening.abort();
    this.#opening = new AbortController();
    this.error = undefined;
    try {
      const backend = /** @type {import("./p-of-x.js").BackendChoice} */ (
        ["webgpu", "cpu"].includes(this.backend) ? this.backend : "auto"
      );
      const model = await open(this.model, {
        backend,
        weights,
        signal: this.#opening.signal,
        onProgress: (progress) => this.#onProgress(progress),
      });
      this.opened?.close();
      this.opened = model;
      this.ownWeights = weights?.name ?? "";
      this.#showBackend();
      model.addEventListener("backendchange", () => this.#showBackend());
      this.#tell("load", model.card);
      await this.generate();
      await this.#askFirst();
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.progress = undefined;
    }
  }

  #showBackend() {
    this.backendInfo = this.opened?.backend;
    if (!this.backendInfo) return;
    this.status = `Engine: ${chipText(this.backendInfo)}. ${this.backendInfo.reason}`;
    this.#tell("backendchange", this.backendInfo);
  }

  async #askFirst() {
    if (this.#wanted) await this.ask(this.#wanted);
    else if (this.estimate) await this.#askPad(this.question || "The picture on the pad");
    else if (this.query === "drawing" && this.#pad?.empty) {
      const first = this.examples[2];
      if (first) await this.#askPicture(first.values, `${first.label}, until you draw`, { list: "examples", index: 2 });
    }
  }

  /** Draws new samples with the seed in the field. */
  async generate() {
    this.#sampling.abort();
    const model = this.opened;
    if (!model) return;
    const { signal } = (this.#sampling = new AbortController());
    try {
      this.seed = String(parseSeed(this.seedText ?? this.seed));
      this.seedText = undefined;
      if (this.error?.code === "bad-seed") this.error = undefined;
      this.sampling = true;
      if (this.chosen?.list === "samples") this.chosen = undefined;
      for await (const step of model.sample({ n: this.n, seed: this.seed, signal, onProgress: (p) => this.#tell("progress", p) })) {
        this.step = step;
      }
      this.status = `${this.n} new samples with seed ${this.seed}.`;
      this.#tell("statechange");
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      if (!signal.aborted) this.sampling = false;
    }
  }

  /**
   * Asks how likely a picture of 28 x 28 values from 0 to 255 is, as soon as the model is there.
   * @param {Uint8Array | undefined} pixels
   */
  async ask(pixels) {
    this.#wanted = pixels;
    if (!pixels || !this.opened) return;
    this.#wanted = undefined;
    await this.#askPicture(pixels, "The picture from the link");
  }

  /** @param {ArrayLike<number>} values @param {string} question @param {PofxElement["chosen"]} [chosen] */
  async #askPicture(values, question, chosen) {
    this.chosen = chosen;
    await this.#pad?.show(values);
    await this.#askPad(question);
  }

  /** @param {string} question @param {"fast" | "precise"} [budget] */
  async #askPad(question, budget = "fast") {
    const pad = this.#pad;
    if (pad && !pad.empty) await this.#askAbout(pad.picture, question, budget);
  }

  /** @param {ImageInput} image @param {string} question @param {"fast" | "precise"} [budget] */
  async #askAbout(image, question, budget = "fast") {
    this.#asking.abort();
    const model = this.opened;
    if (!model) return;
    const { signal } = (this.#asking = new AbortController());
    this.question = question;
    this.asking = true;
    if (this.error?.code !== "bad-seed") this.error = undefined;
    try {
      const onProgress = budget === "precise" ? (/** @type {Progress} */ p) => this.#onProgress(p) : undefined;
      this.estimate = await model.logProb(image, { budget, seed: this.seed, signal, onProgress });
      this.status = `${question}: ${sentence(this.estimate)}.`;
      this.#tell("result", this.estimate);
      this.#tell("statechange");
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      if (!signal.aborted) {
        this.asking = false;
        this.progress = undefined;
      }
    }
  }

  /** @param {CustomEvent<{ last: boolean }>} event */
  async #onStroke({ detail }) {
    this.chosen = undefined;
    if (this.asking && !detail.last) {
      this.#drawnMeanwhile = true;
      return;
    }
    await this.#askPad("Your drawing");
    if (!this.#drawnMeanwhile) return;
    this.#drawnMeanwhile = false;
    await this.#askPad("Your drawing");
  }

  /** @param {Blob} file */
  async #askFile(file) {
    const name = file instanceof File && file.name ? `“${file.name}”` : "The pasted picture";
    this.chosen = undefined;
    await this.#askAbout(file, name);
    if (this.estimate && !this.error && this.question === name) await this.#pad?.show(this.estimate.scored.grey);
  }

  /** @param {File} file */
  #take(file) {
    if (/\.safetensors$/i.test(file.name)) void this.#open(file);
    else void this.#askFile(file);
  }

  /** @param {Progress} progress */
  #onProgress(progress) {
    this.progress = progress;
    this.#tell("progress", progress);
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

  // ---- what a person does -----------------------------------------------------------------------------------------

  /** @param {Event} event */
  #onChosen(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = "";
    if (file) this.#take(file);
  }

  /** @param {CustomEvent<{ index: number }>} event */
  #onSample({ detail }) {
    const pixels = this.step?.images.subarray(detail.index * SIDE * SIDE, (detail.index + 1) * SIDE * SIDE);
    if (pixels) void this.#askPicture(pixels, `Sample ${detail.index + 1} of seed ${this.seed}`, { list: "samples", ...detail });
  }

  /** @param {CustomEvent<{ index: number }>} event */
  #onExample({ detail }) {
    const example = this.examples[detail.index];
    void this.#askPicture(example.values, example.label, { list: "examples", ...detail });
  }

  #onClear() {
    this.chosen = undefined;
    this.#asking.abort();
    this.asking = false;
    this.estimate = undefined;
    this.question = "";
    this.status = "The pad is empty.";
    this.#tell("statechange");
  }

  #dice() {
    this.seedText = String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
    void this.generate();
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  render() {
    return html`
      <p class="hidden" role="status" aria-live="polite">${this.status}</p>
      <div class="top">
        <pofx-engine-chip .backend=${this.backendInfo} ?busy=${Boolean(this.progress) || !this.opened}>
          <span class="progress">${this.#renderProgress()}</span>
        </pofx-engine-chip>
      </div>
      <div role="alert" class="alert-place">${this.#renderError()}</div>
      <div class="panels">
        <div class="column">
          <section class="panel sample" aria-labelledby="sample-title">${this.#renderSample()}</section>
          <pofx-reading class="panel" .estimate=${this.estimate}></pofx-reading>
        </div>
        <section class="panel asker" aria-labelledby="ask-title">${this.#renderAsk()}</section>
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
    const left = p.seconds_left > 1 ? `, ${Math.ceil(p.seconds_left)} s left` : "";
    const what = {
      download: `Downloading, ${megabytes(p.done)} of ${megabytes(p.total)}${left}`,
      "self-test": "Checking the engine against known answers",
      compile: `Preparing the GPU, ${p.done} of ${p.total} kernels${left}`,
      sample: `Sampling${left}`,
      "log-prob": `${p.done.toLocaleString("en")} of ${p.total.toLocaleString("en")} importance samples${left}`,
      train: `${p.done.toLocaleString("en")} of ${p.total.toLocaleString("en")} steps of training${left}`,
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

  #renderSample() {
    const badSeed = this.error?.code === "bad-seed";
    return html`
      <h2 id="sample-title"><i>x</i> ∼ <i>p</i>(<i>x</i>)</h2>
      <p class="sub">${this.n} pictures the model has just made up. Choose one to ask how likely it is.</p>
      <pofx-picture-list
        label="Samples; choose one to ask how likely it is"
        .columns=${4}
        .items=${this.#sampleItems()}
        .selected=${this.chosen?.list === "samples" ? this.chosen.index : -1}
        @pick=${this.#onSample}
        aria-busy=${this.sampling}
      ></pofx-picture-list>
      <form class="controls" @submit=${this.#onSubmit} novalidate>
        <label for="seed">Seed</label>
        <input
          id="seed"
          inputmode="numeric"
          autocomplete="off"
          maxlength="40"
          .value=${this.seedText ?? this.seed}
          aria-invalid=${badSeed}
          @input=${(/** @type {InputEvent} */ e) => (this.seedText = /** @type {HTMLInputElement} */ (e.target).value)}
        />
        <button type="button" class="dice" aria-label="Random seed" title="Random seed" @click=${this.#dice}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <rect x="3" y="3" width="18" height="18" rx="4" /><circle cx="8" cy="8" r="1.6" /><circle cx="16" cy="8" r="1.6" /><circle cx="12" cy="12" r="1.6" /><circle cx="8" cy="16" r="1.6" /><circle cx="16" cy="16" r="1.6" />
          </svg>
        </button>
        <button type="submit" class="primary">Generate</button>
      </form>
      <label class="check">
        <input type="checkbox" .checked=${this.showPixels} @change=${() => (this.showPixels = !this.showPixels)} />
        Show the black and white pixels that were drawn, not their probabilities
      </label>
    `;
  }

  #sampleItems() {
    const { step } = this;
    return Array.from({ length: this.n }, (_, i) => {
      const label = `Sample ${i + 1} of ${this.n}`;
      if (!step || step.n !== this.n || i >= step.done) return { label: `${label}, not there yet` };
      const source = this.showPixels ? step.images : step.means;
      const values = source.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE);
      return { values, max: this.showPixels ? 255 : 1, label };
    });
  }

  #renderAsk() {
    return html`
      <h2 id="ask-title">log <i>p</i>(<i>x</i>) of your picture</h2>
      <p class="sub">Draw a digit, or drop, paste or open a picture.</p>
      <div class="ask-grid">
        <div class="question">
          <pofx-pad @stroke=${this.#onStroke} @clear=${this.#onClear}></pofx-pad>
          <p class="caption">${this.question}</p>
          <div class="tools">
            <button type="button" @click=${() => this.#pad?.clear()}>Clear</button>
            <button type="button" @click=${this.#chooseFile}>Open picture…</button>
            <input class="hidden" id="file" type="file" accept="image/*" tabindex="-1" aria-hidden="true" @change=${this.#onChosen} />
          </div>
          <h3>Or try one of these</h3>
          <pofx-picture-list
            class="examples"
            label="Held-out test digits, and pictures that are no digits"
            .columns=${7}
            .items=${this.examples.length > 0 ? this.examples.map((e) => ({ ...e, max: 255 })) : EMPTY_EXAMPLES}
            .selected=${this.chosen?.list === "examples" ? this.chosen.index : -1}
            @pick=${this.#onExample}
          ></pofx-picture-list>
        </div>
        <div class="reply">
          <pofx-answer .estimate=${this.estimate} .card=${this.opened?.card} ?stale=${this.asking} aria-busy=${this.asking}></pofx-answer>
          <div class="tools">
            <button type="button" ?disabled=${!this.estimate} @click=${() => void this.#askPad(this.question, "precise")}>
              Tighter bound (k = 5,000)
            </button>
            ${this.asking && this.progress?.phase === "log-prob"
              ? html`<button type="button" @click=${() => this.#stopAsking()}>Stop</button>`
              : nothing}
          </div>
        </div>
      </div>
      <pofx-breakdown .estimate=${this.estimate}></pofx-breakdown>
    `;
  }

  #stopAsking() {
    this.#asking.abort();
    this.asking = false;
    this.progress = undefined;
    this.status = "Stopped.";
  }

  #chooseFile() {
    const input = this.renderRoot.querySelector("#file");
    if (input instanceof HTMLInputElement) input.click();
  }

  /** @param {Event} event */
  #onSubmit(event) {
    event.preventDefault();
    void this.generate();
  }
}

/** Room for the examples before they are there, so that nothing jumps. */
const EMPTY_EXAMPLES = Array.from({ length: 14 }, () => ({ label: "Example, not there yet" }));

customElements.define("p-of-x", PofxElement);
