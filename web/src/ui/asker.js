// log p(x) of a picture: one that is drawn, one of a file, a sample, an example.

import { LitElement, html, nothing } from "lit";
import { PofxError } from "../p-of-x.js";
import { answerable, estimatorChoice, hasProgram } from "./card.js";
import { askerStyles } from "./asker-styles.js";
import { notDigits, testDigits } from "./examples.js";
import { sentence } from "./format.js";
import { SIDE } from "./picture.js";
import { shared } from "./styles.js";
import "./answer.js";
import "./controls.js";
import "./pad.js";
import "./picture-list.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Progress} Progress */
/** @typedef {import("./pad.js").Pad} Pad */
/** @typedef {import("./picture.js").Pixels} Pixels */
/** @typedef {import("./examples.js").Example} Example */

/** What stands below an answer is loaded so long after it, not in the way of the first one. */
const BELOW_MS = 1000;

const DIGITS = new URL("examples/mnist-test.png", import.meta.url);

/** Effective importance samples below which a bound says of itself that few decide. */
const FEW = 10;

/**
 * `<pofx-asker>`: properties `seed`, `backend`, `own` (the weights are a person's). Events: `asked` (detail: the Pixels and the index of the sample, both may be missing),
 * `answer` (detail: Estimate), `begin`, `progress` (detail: Progress or nothing), `failed` (detail: PofxError), `say`
 * (detail: a sentence).
 */
export class Asker extends LitElement {
  static properties = {
    seed: {},
    backend: {},
    own: { type: Boolean },
    model: { state: true },
    asking: { state: true },
    precise: { state: true },
    estimate: { state: true },
    question: { state: true },
    example: { state: true },
    examples: { state: true },
    given: { state: true },
    camera: { state: true },
    labels: { state: true },
    estimator: { state: true },
    copied: { state: true },
  };

  static styles = [shared, askerStyles];

  constructor() {
    super();
    this.seed = "0";
    this.backend = "auto";
    this.own = false;
    /** @type {Model | undefined} */ this.model = undefined;
    this.asking = false;
    /** Whether the answer that is being made is the slow one. */
    this.precise = false;
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** What is asked about, in words. */
    this.question = "";
    /** Which example that is, or -1. */
    this.example = -1;
    /** @type {Example[]} */ this.examples = [];
    /** The picture where there is no pad. @type {File | Pixels | undefined} */ this.given = undefined;
    /** Whether the camera is on. */ this.camera = false;
    /** How the answer is made. @type {import("../p-of-x.js").Estimator} */ this.estimator = "own";
    /** What became of the program that was asked for. */ this.copied = "";
    /** Under which labels the picture is judged. @type {Record<string, any>} */ this.labels = {};
  }

  /** Ends the question of a page that goes away or asks something else. */
  #job = new AbortController();
  /** How the answer that is shown was made. @type {{ labels: Record<string, any>, estimator: string }} */ #answered = { labels: {}, estimator: "own" };
  /** A live drawing is asked about again as soon as the last answer is there, not more often. */
  #drawnMeanwhile = false;

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @returns {Pad | null} */
  get #pad() {
    return this.renderRoot.querySelector("pofx-pad");
  }

  /** A pad is for pictures of ink. */
  get #drawn() {
    const { size, placement } = this.model?.card.image ?? { size: SIDE, placement: "ink" };
    return placement === "ink" && size === SIDE;
  }

  /** Whether the answer takes long enough to be stopped. */
  get #slow() {
    return this.precise || this.estimator !== "own";
  }

  /** The labels under which the picture is judged, in words. */
  get #given() {
    return Object.values(this.labels).filter(Boolean).join(", ");
  }

  /** The card's scores, unless they were made in another way than the answer, or by other weights. */
  get #reference() {
    const alike = this.estimate ? this.estimate.place.held_out !== null : !this.own;
    return alike ? (this.model?.card.reference ?? undefined) : undefined;
  }

  /** How the picture is judged, where a person chose it. @returns {{ labels: Record<string, any>, estimator?: string }} */
  get setting() {
    const labels = Object.fromEntries(Object.entries(this.labels).filter(([, value]) => value));
    return { labels, estimator: this.estimator === "own" ? undefined : this.estimator };
  }

  /** What of a setting makes sense for the model. @param {{ labels?: Record<string, any>, estimator?: string }} linked */
  #judgeBy({ labels = {}, estimator = "own" }) {
    const { controls = [], estimators = [] } = this.model ?? {};
    const known = (/** @type {[string, any]} */ [name, value]) => controls.some((control) => control.kind === "label" && control.name === name && control.values.includes(value));
    this.labels = Object.fromEntries(Object.entries(labels).filter(known));
    this.estimator = estimators.find((name) => name === estimator) ?? "own";
  }

  /**
   * Takes another model, or the same one with other weights.
   * @param {Model} model
   * @param {{ labels?: Record<string, any>, estimator?: string }} [linked] how a link says that its picture is judged
   */
  async start(model, linked = {}) {
    const same = this.model?.id === model.id;
    this.#job.abort();
    this.asking = false;
    this.model = model;
    if (!same || linked.labels || linked.estimator) this.#judgeBy(linked);
    if (same) return;
    if (model.card.labels.length > 0) void import("./posterior.js");
    if (model.card.family === "gan") void import("./nearest.js");
    if (!this.#drawn) void import("./picture-field.js");
    this.estimate = undefined;
    this.given = undefined;
    this.question = "";
    this.example = -1;
    const digits = model.card.data.name.startsWith("MNIST") ? await testDigits(DIGITS) : [];
    this.examples = this.#drawn ? [...digits, ...notDigits()] : [];
    await this.updateComplete;
    this.#pad?.clear();
  }

  /**
   * The same question again, of other weights; else about an example, or about a sample.
   * @param {() => Promise<{ pixels: Pixels, label: string, index: number } | undefined>} sampled
   */
  async askFirst(sampled) {
    if (this.question) return this.#askHeld(this.question);
    const example = this.examples[2];
    if (example?.label.startsWith("Test digit")) {
      const asked = this.ask(example.pixels, `${example.label}, until you draw`);
      this.example = 2;
      return asked;
    }
    const sample = await sampled();
    if (sample) return this.ask(sample.pixels, sample.label, sample.index);
  }

  /**
   * @param {Pixels} pixels
   * @param {string} question
   * @param {number} [sample] which of the samples it is
   */
  async ask(pixels, question, sample) {
    this.example = -1;
    this.#tell("asked", { pixels, sample });
    if (this.#drawn) await this.#pad?.show(pixels.data);
    else this.given = pixels;
    await this.#askHeld(question);
  }

  /** @param {File} file */
  async askFile(file) {
    const name = file.name ? `“${file.name}”` : "The pasted picture";
    this.example = -1;
    this.#tell("asked", {});
    if (!this.#drawn) this.given = file;
    const estimate = await this.#askAbout(file, name);
    if (!estimate) return;
    const { levels, width, height, channels } = estimate.scored;
    this.#tell("asked", { pixels: { data: levels, width, height, channels } });
    if (this.#drawn) await this.#pad?.show(levels);
  }

  /** Asks about what is on the pad or in the field. @param {string} question @param {"fast" | "precise"} [budget] */
  async #askHeld(question, budget = "fast") {
    const pad = this.#pad;
    if (pad && !pad.empty) await this.#askAbout(pad.picture, question, budget);
    else if (this.given instanceof Blob) await this.#askAbout(this.given, question, budget);
    else if (this.given) await this.#askAbout({ ...this.given, data: Uint8Array.from(this.given.data) }, question, budget);
  }

  /**
   * @param {import("../p-of-x.js").ImageInput} image
   * @param {string} question
   * @param {"fast" | "precise"} [budget]
   * @returns {Promise<Estimate | undefined>} nothing: it failed, or another question came
   */
  async #askAbout(image, question, budget = "fast") {
    this.#job.abort();
    const { model } = this;
    if (!model) return undefined;
    const { signal } = (this.#job = new AbortController());
    this.question = question;
    this.asking = true;
    this.precise = budget === "precise";
    this.copied = "";
    this.#tell("begin");
    try {
      // What is answered at once needs no bar.
      const from = performance.now();
      const onProgress = (/** @type {Progress} */ p) => void ((this.#slow || performance.now() - from > 500) && this.#tell("progress", p));
      const { labels, estimator } = this;
      this.estimate = await model.logProb(image, { ...labels, estimator, budget, seed: this.seed, signal, onProgress });
      this.#answered = { labels, estimator };
      setTimeout(() => void Promise.all([import("./among.js"), import("./compare.js")]), BELOW_MS);
      this.#tell("say", `${question}: ${sentence(this.estimate)}.`);
      this.#tell("answer", this.estimate);
      // Once the answer is on the screen.
      requestAnimationFrame(() => setTimeout(() => void import("./breakdown.js")));
      return this.estimate;
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (error.code !== "aborted") this.#tell("failed", error);
      return undefined;
    } finally {
      if (!signal.aborted) this.#end();
    }
  }

  #end() {
    this.asking = false;
    this.precise = false;
    this.#tell("progress", undefined);
  }

  #stop() {
    this.#job.abort();
    this.#end();
    this.#tell("say", "Stopped.");
  }

  /** @param {CustomEvent<{ last: boolean, undone?: boolean }>} event */
  async #onStroke({ detail }) {
    // What can be taken back is the pad's to say.
    this.requestUpdate();
    this.example = -1;
    this.#tell("asked", {});
    if (this.asking && !detail.last) {
      this.#drawnMeanwhile = true;
      return;
    }
    await this.#askHeld(detail.undone ? "What was on the pad before" : "Your drawing");
    if (!this.#drawnMeanwhile) return;
    this.#drawnMeanwhile = false;
    await this.#askHeld("Your drawing");
  }

  #onClear() {
    this.#job.abort();
    this.asking = false;
    this.example = -1;
    this.estimate = undefined;
    this.question = "";
    this.#tell("asked", {});
    this.#tell("say", "The pad is empty.");
    this.#tell("answer", undefined);
  }

  /** A program that comes to the same answer: to the clipboard, or as a file where there is none. @param {Estimate} estimate */
  async #copyPython(estimate) {
    const { model } = this;
    if (!model) return;
    const [{ program }, { save }] = await Promise.all([import("../export/python.js"), import("../export/save.js")]);
    const text = program(model.card, estimate, this.#answered.labels);
    const beside = "It runs beside the ONNX files of the model, which “About this model” saves.";
    try {
      await navigator.clipboard.writeText(text);
      this.copied = `The program was copied. ${beside}`;
    } catch {
      save({ name: `${model.id}-log-prob.py`, type: "text/x-python", content: text });
      this.copied = `This browser gave no clipboard, so the program was saved. ${beside}`;
    }
    this.#tell("say", this.copied);
  }

  /** Whether importance sampling from a better proposal is worth offering: few of this answer's samples decide. @param {Estimate | undefined} estimate */
  #better(estimate) {
    if (!estimate || this.estimator !== "own" || !this.model?.estimators.includes("laplace")) return false;
    return typeof estimate.kind === "string" && estimate.effective_samples !== null && estimate.effective_samples < FEW;
  }

  /** @param {import("../p-of-x.js").Estimator} estimator */
  #askBy(estimator) {
    this.estimator = estimator;
    void this.#askHeld(this.question);
  }

  /** @param {CustomEvent<{ name: string, value: unknown }>} event */
  #onControl({ detail: { name, value } }) {
    const chosen = estimatorChoice(this.model?.estimators ?? []);
    if (name === chosen?.control.name) this.estimator = chosen.estimators.get(String(value)) ?? "own";
    else this.labels = { ...this.labels, [name]: value };
    void this.#askHeld(this.question);
  }

  /** @param {CustomEvent<{ index: number }>} event */
  async #onExample({ detail: { index } }) {
    const { pixels, label } = this.examples[index];
    const asked = this.ask(pixels, label);
    this.example = index;
    await asked;
  }

  /** @param {CustomEvent<{ value: File | Pixels | undefined }>} event */
  #onPicture({ detail: { value } }) {
    if (value instanceof Blob) return void this.askFile(/** @type {File} */ (value));
    this.given = undefined;
    this.#onClear();
  }

  /** @param {Event} event */
  #onFile(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = "";
    if (file) void this.askFile(file);
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  render() {
    const { estimate } = this;
    const answers = answerable(this.model?.card);
    const precise = this.estimator === "own" ? answers.precise : ["quadrature", "ratio"].includes(this.estimator) ? undefined : "Smaller error (minutes)";
    return html`
      <h2 id="ask-title">log <i>p</i>(<i>x</i>) of your picture</h2>
      <p class="sub">${this.#drawn ? "Draw, or drop, paste or open a picture." : "Choose a sample, or drop, paste or open a picture."}</p>
      <div class="ask-grid">
        <div class="question">${this.#drawn ? this.#renderPad() : this.#renderField()} ${this.#renderExamples()}</div>
        <div class="reply">
          <pofx-answer .estimate=${estimate} .card=${this.model?.card} .reference=${this.#reference} .given=${this.#given} ?own=${this.own} ?stale=${this.asking} aria-busy=${this.asking}></pofx-answer>
          ${this.#renderControls(answers.density)}
          <div class="tools">
            ${this.#better(estimate)
              ? html`<button type="button" @click=${() => this.#askBy("laplace")}>Tighter: by importance sampling</button>`
              : nothing}
            ${precise
              ? html`<button type="button" ?disabled=${!estimate} @click=${() => void this.#askHeld(this.question, "precise")}>
                  ${precise}
                </button>`
              : nothing}
            ${estimate && typeof estimate.kind === "string" && hasProgram(this.model?.card, this.#answered.estimator)
              ? html`<button type="button" @click=${() => void this.#copyPython(estimate)}>Copy Python</button>`
              : nothing}
            ${this.asking && this.#slow ? html`<button type="button" @click=${this.#stop}>Stop</button>` : nothing}
          </div>
          ${this.copied ? html`<p class="caption">${this.copied}</p>` : nothing}
        </div>
      </div>
      ${(answers.density || this.estimator !== "own") && typeof estimate?.kind !== "object" ? html`<pofx-breakdown .estimate=${estimate} .card=${this.model?.card}></pofx-breakdown>` : nothing}
      ${this.#renderMore(answers.density)}
    `;
  }

  /** What else can be asked of the same picture. @param {boolean} density */
  #renderMore(density) {
    const { model, estimate } = this;
    if (!model) return nothing;
    const data = model.card.data.name.replace(/, (\d|pixel).*$/, "");
    const pixels = this.#scored(estimate);
    const forward = (/** @type {CustomEvent} */ { type, detail }) => this.#tell(type, detail);
    return html`
      <pofx-among .estimate=${estimate} .reference=${this.#reference} .data=${data}></pofx-among>
      ${density && model.card.labels.length > 0
        ? html`<pofx-posterior .model=${model} .pixels=${pixels} .seed=${this.seed} @begin=${forward} @progress=${forward} @failed=${forward} @say=${forward}></pofx-posterior>`
        : nothing}
      ${model.card.family === "gan"
        ? html`<pofx-nearest .model=${model} .pixels=${pixels} .seed=${this.seed} @begin=${forward} @progress=${forward} @failed=${forward} @say=${forward}></pofx-nearest>`
        : nothing}
      <pofx-compare .pixels=${pixels} .data=${data} .seed=${this.seed} .backend=${this.backend} @begin=${forward} @progress=${forward} @failed=${forward} @say=${forward}></pofx-compare>
    `;
  }

  /** The picture of an answer, the same object for the same answer. @param {Estimate | undefined} estimate @returns {Pixels | undefined} */
  #scored(estimate) {
    if (this.#held.estimate !== estimate) {
      const { levels: data, width, height, channels } = estimate?.scored ?? {};
      this.#held = { estimate, pixels: data && /** @type {Pixels} */ ({ data, width, height, channels }) };
    }
    return this.#held.pixels;
  }
  /** @type {{ estimate?: Estimate, pixels?: Pixels }} */ #held = {};

  /** Labels, where the number depends on them, and estimators, where there are several. @param {boolean} density */
  #renderControls(density) {
    const choice = estimatorChoice(this.model?.estimators ?? []);
    const labels = density || this.estimator !== "own" ? (this.model?.controls ?? []).filter(({ kind }) => kind === "label") : [];
    const given = labels.map((control) => ({ ...control, help: `Judges the picture as one with this ${control.name.replaceAll("_", " ")}` }));
    const controls = choice ? [...given, choice.control] : given;
    if (controls.length === 0) return nothing;
    const chosen = [...(choice?.estimators ?? [])].find(([, name]) => name === this.estimator)?.[0];
    return html`<pofx-controls .card=${this.model?.card} .controls=${controls} .values=${{ ...this.labels, estimator: chosen }} @change=${this.#onControl}></pofx-controls>`;
  }

  #renderPad() {
    return html`<pofx-pad @stroke=${this.#onStroke} @clear=${this.#onClear}></pofx-pad>
      <p class="caption">${this.question}</p>
      <div class="tools">
        <button type="button" @click=${() => this.#pad?.clear()}>Clear</button>
        <button type="button" ?disabled=${!this.#pad?.undoable} @click=${() => this.#pad?.undo()}>Undo</button>
        <button type="button" @click=${() => this.renderRoot.querySelector("input")?.click()}>Open picture…</button>
        ${this.#renderCamera()}
        <input class="hidden" id="file" type="file" accept="image/*" tabindex="-1" aria-hidden="true" @change=${this.#onFile} />
      </div>`;
  }

  #renderField() {
    return html`<pofx-picture-field label="Picture to ask about" .value=${this.given} .choice=${null} @change=${this.#onPicture}></pofx-picture-field>
      <div class="tools">${this.#renderCamera()}</div>
      <p class="caption">${this.question}</p>`;
  }

  #renderCamera() {
    // Loaded when it is first asked for.
    const open = () => void import("./camera.js").then(() => (this.camera = true));
    const snap = (/** @type {CustomEvent<File>} */ { detail }) => void this.askFile(detail);
    return html`<button type="button" @click=${open}>Camera…</button>
      ${this.camera ? html`<pofx-camera @snap=${snap} @close=${() => (this.camera = false)}></pofx-camera>` : nothing}`;
  }

  #renderExamples() {
    if (!this.#drawn) return nothing;
    return html`<h3>Or try one of these</h3>
      <pofx-picture-list
        class="examples"
        label="Held-out test digits, and pictures that are no digits"
        .columns=${7}
        .items=${this.examples.length > 0 ? this.examples : EMPTY_EXAMPLES}
        .selected=${this.example}
        @pick=${this.#onExample}
      ></pofx-picture-list>`;
  }
}

/** Room for the examples before they are there, so that nothing jumps. */
const EMPTY_EXAMPLES = Array.from({ length: 14 }, () => ({ label: "Example, not there yet" }));

customElements.define("pofx-asker", Asker);
