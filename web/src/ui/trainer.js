// Training on a person's own pictures: what it learns from, how far it is, and what it draws and says by now.

import { LitElement, css, html, nothing } from "lit";
import { PofxError } from "../p-of-x.js";
import { save } from "../export/save.js";
import { advice, isFull } from "../offline/room.js";
import { FEWEST, MOST, RUNS, bytesOf, forget, goOn, keptRun, newRun, pictureAt, sizeOf } from "./course.js";
import { fields } from "./field-styles.js";
import { asSentence, duration, megabytes, nats } from "./format.js";
import { pictureOf } from "./picture.js";
import { changes } from "./store.js";
import { shared } from "./styles.js";
import "./chart.js";
import "./sure.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("./course.js").Run} Run */

/** Families that learn from a few pictures in a tab. */
const FAMILIES = ["vae", "diffusion"];
/** Samples that show what was learnt, and the steps of one of a diffusion model. */
const SHOWN = 8;
const QUICK_STEPS = 12;
/** Adam's learning rate for new weights, and for weights that are good already. */
const RATES = { fresh: 1e-3, further: 3e-4 };

/**
 * `<pofx-trainer>`: properties `model`, `seed`. Events: `learnt` (detail: what the weights are, in words), `weights` (detail: File, to be
 * opened instead), `shipped`, `failed` (detail: PofxError), `say` (detail: a sentence).
 */
export class Trainer extends LitElement {
  static properties = {
    model: { attribute: false },
    seed: {},
    run: { state: true },
    unkept: { state: true },
    reading: { state: true },
    notices: { state: true },
    progress: { state: true },
    samples: { state: true },
    training: { state: true },
    fresh: { state: true },
  };

  static styles = [
    shared,
    fields,
    css`
      :host {
        display: block;
      }
      .drop {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.6rem 1rem;
        margin: 0.4rem 0 1rem;
        padding: 1rem;
        border: 1px dashed var(--control);
        border-radius: 0.6rem;
      }
      .drop p {
        flex: 1 1 18rem;
        margin: 0;
        color: var(--muted);
      }
      form,
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.8rem 1.2rem;
        align-items: end;
        margin-bottom: 1rem;
      }
      label {
        display: grid;
        gap: 0.2rem;
        font-weight: 500;
      }
      input[type="number"] {
        width: 8.5rem;
      }
      .learning {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
        gap: 1rem 2rem;
      }
      .note,
      h4 + p {
        margin: 0 0 0.8rem;
        color: var(--muted);
        max-width: 62rem;
        text-wrap: pretty;
      }
      .unkept {
        margin: 0 0 0.8rem;
        max-width: 62rem;
        color: var(--bad);
      }
      h4 {
        margin: 0 0 0.3rem;
        font: 500 1.0625rem/1.4 var(--serif);
      }
      .pictures {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(4.5rem, 1fr));
        gap: 0.5rem;
        max-width: 42rem;
        margin-bottom: 1rem;
      }
      progress {
        width: min(100%, 24rem);
        accent-color: var(--accent);
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Model | undefined} */ this.model = undefined;
    this.seed = "0";
    /** @type {Run | undefined} */ this.run = undefined;
    /** Why the run can't be kept. */ this.unkept = "";
    /** How many files have been read of how many. @type {[number, number] | undefined} */ this.reading = undefined;
    /** @type {string[]} */ this.notices = [];
    /** @type {import("../p-of-x.js").Progress | undefined} */ this.progress = undefined;
    /** What the model draws by now. @type {import("./picture.js").Pixels[]} */ this.samples = [];
    this.training = false;
    /** Whether a run begins with new weights. */ this.fresh = false;
  }

  #job = new AbortController();
  /** Prepared pictures of which no run was made yet. @type {Uint8Array[]} */ #pictures = [];

  connectedCallback() {
    super.connectedCallback();
    changes.addEventListener(RUNS, this.#onStored);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    changes.removeEventListener(RUNS, this.#onStored);
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("model")) return;
    const before = /** @type {Model | undefined} */ (changed.get("model"));
    this.#job.abort();
    this.training = false;
    // A file of weights that was opened meanwhile is another beginning of the same run.
    if (before?.id === this.model?.id) return;
    Object.assign(this, { run: undefined, unkept: "", notices: [], samples: [], reading: undefined });
    this.#pictures = [];
    void this.#recall();
  }

  /** Finds the run that was kept. */
  async #recall() {
    const { model } = this;
    // Where a browser keeps nothing, there is nothing to go on from.
    const run = model && (await keptRun(model.id).catch(() => undefined));
    if (run && this.model === model && !this.run) this.run = run;
  }

  /** What is kept of the run may be deleted elsewhere on the page. */
  #onStored = async () => {
    const { run } = this;
    if (!run || this.training || (await keptRun(run.model).catch(() => undefined))) return;
    run.at = 0;
    this.requestUpdate();
  };

  /** @param {File[]} files */
  async #read(files) {
    const { model } = this;
    if (!model || files.length === 0 || this.training) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    const some = files.slice(0, MOST);
    /** @type {Uint8Array[]} */ const pictures = [];
    /** @type {Map<string, number>} */ const done = new Map();
    const capped = files.length > MOST ? [`Of ${files.length.toLocaleString("en")} files the first ${MOST.toLocaleString("en")} are taken.`] : [];
    this.notices = capped;
    let unread = 0;
    for (const [i, file] of some.entries()) {
      if (i % 20 === 0) this.reading = [i, some.length];
      try {
        const { levels, notices } = await model.prepare(file, { signal });
        pictures.push(levels);
        for (const notice of notices) done.set(notice, (done.get(notice) ?? 0) + 1);
      } catch (thrown) {
        if (signal.aborted) return;
        if (PofxError.from(thrown).code !== "bad-image") return this.#fail(thrown);
        unread += 1;
      }
    }
    this.reading = undefined;
    const many = [...done].toSorted((a, b) => b[1] - a[1]).slice(0, 3);
    this.notices = [
      ...capped,
      ...(unread > 0 ? [`${unread} ${unread === 1 ? "file is" : "files are"} no picture that can be read.`] : []),
      ...many.map(([notice, n]) => `${n} of ${pictures.length}: ${notice}`),
    ];
    if (pictures.length < FEWEST) {
      this.notices = [...this.notices, `${pictures.length} pictures came, and fewer than ${FEWEST} teach nothing: choose more.`];
      return;
    }
    this.#pictures = pictures;
    this.run = undefined;
    this.#say(`${pictures.length} pictures are ready.`);
    this.requestUpdate();
  }

  /** @param {SubmitEvent} event */
  #begin(event) {
    event.preventDefault();
    const { model } = this;
    if (!model) return;
    const given = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const number = (/** @type {string} */ name) => Number(given.get(name));
    // Seeds of an address are wider than what a run needs.
    const seed = Number(BigInt(/^\d+$/.test(this.seed) ? this.seed : 0) % 1_000_000n);
    this.unkept = "";
    this.run = newRun(model.id, this.#pictures, { fresh: this.fresh, steps: number("steps"), batch: number("batch"), rate: number("rate"), seed });
    void this.#train();
  }

  #stopReading() {
    this.#job.abort();
    [this.reading, this.notices] = [undefined, ["Reading was stopped; no picture was taken."]];
  }

  async #train() {
    const { model, run } = this;
    if (!model || !run) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    const onProgress = (/** @type {import("../p-of-x.js").Progress} */ progress) => (this.progress = progress);
    const onKept = (/** @type {unknown} */ thrown) => this.#onKept(run, thrown);
    this.reading = undefined;
    this.training = true;
    try {
      for await (const _ of goOn(model, run, { signal, onProgress, onKept })) {
        await this.#draw(model, signal);
        if (run.step > 0) this.#tell("learnt", describe(run));
      }
      this.#say(`Step ${run.step} of ${run.settings.steps}: ${lastWords(run)}.`);
    } catch (thrown) {
      this.#fail(thrown);
      if (model.learnt) this.#tell("learnt", describe(run));
    } finally {
      if (this.run === run) [this.training, this.progress] = [false, undefined];
    }
  }

  /** A run that can't be kept goes on, and the person is told. @param {Run} run @param {unknown} thrown */
  async #onKept(run, thrown) {
    const unkept = thrown === undefined ? "" : await whyUnkept(run, thrown);
    if (this.run !== run) return;
    if (unkept && !this.unkept) this.#say(unkept);
    this.unkept = unkept;
  }

  /** @param {Model} model @param {AbortSignal} signal */
  async #draw(model, signal) {
    const steps = model.controls.some(({ name }) => name === "steps") ? { steps: QUICK_STEPS } : {};
    for await (const step of model.sample({ n: SHOWN, seed: 0, ...steps, signal })) {
      if (step.done === step.n) this.samples = Array.from({ length: SHOWN }, (_, i) => pictureOf(step, i));
    }
  }

  /** Takes weights of the run as those of the page. @param {Run} run @param {Blob} weights @param {number} step */
  #use(run, weights, step) {
    this.#tell("weights", new File([weights], describe({ ...run, step })));
  }

  async #drop() {
    const { model } = this;
    if (!model) return;
    this.#job.abort();
    await forget(model.id).catch(() => {});
    Object.assign(this, { run: undefined, unkept: "", samples: [], training: false });
    this.#pictures = [];
    if (model.learnt) this.#tell("shipped");
    this.#say("The run was forgotten.");
  }

  /** Ends a run and keeps its pictures, for another one. */
  #again() {
    const { model, run } = this;
    if (!model || !run) return;
    const all = [run.pictures, run.heldOut].flatMap((some) => cut(some, bytesOf(model)));
    this.#pictures = all;
    this.run = undefined;
  }

  /** @param {unknown} thrown */
  #fail(thrown) {
    const error = PofxError.from(thrown);
    this.reading = undefined;
    if (error.code !== "aborted") this.#tell("failed", error);
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#tell("say", sentence);
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {DragEvent} event */
  #onDrop(event) {
    event.preventDefault();
    // The page would ask about the first of them.
    event.stopPropagation();
    void this.#read([...(event.dataTransfer?.files ?? [])]);
  }

  /** @param {Event} event */
  #onFiles(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const files = [...(input.files ?? [])];
    input.value = "";
    void this.#read(files);
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  render() {
    const { model } = this;
    if (!model) return html`<p class="note">The model has not arrived yet.</p>`;
    if (!FAMILIES.includes(model.card.family)) {
      return html`<p class="note">A VAE or a diffusion model can be trained on your pictures here; this is neither. Choose one above.</p>`;
    }
    return html`
      ${this.training ? nothing : this.#renderSource(model)}
      ${this.notices.length > 0 ? html`<ul class="note">${this.notices.map((notice) => html`<li>${notice}</li>`)}</ul>` : nothing}
      ${!this.run && this.#pictures.length > 0 ? this.#renderForm(model) : nothing}
      ${this.run ? this.#renderRun(model, this.run) : nothing}
    `;
  }

  /** @param {Model} model */
  #renderSource(model) {
    const { size, channels } = model.card.image;
    return html`<div class="drop" @drop=${this.#onDrop} @dragover=${(/** @type {DragEvent} */ event) => event.preventDefault()}>
      <p>
        Drop ${FEWEST} to ${MOST.toLocaleString("en")} pictures here. They become ${size} × ${size} pixels, ${channels === 3 ? "in colour" : "grey"}, and stay on this
        device; one in five is held out.
      </p>
      <input class="hidden" type="file" id="pictures" accept="image/*" multiple tabindex="-1" aria-hidden="true" @change=${this.#onFiles} />
      <button type="button" @click=${() => /** @type {HTMLInputElement | null} */ (this.renderRoot.querySelector("#pictures"))?.click()}>Choose pictures…</button>
      ${this.reading
        ? html`<span role="status">Reading, ${this.reading[0].toLocaleString("en")} of ${this.reading[1].toLocaleString("en")}</span><button type="button" @click=${this.#stopReading}>Stop</button>`
        : nothing}
    </div>`;
  }

  /** @param {Model} model */
  #renderForm(model) {
    const pictures = this.#pictures;
    const shown = Array.from({ length: Math.min(SHOWN, pictures.length) }, (_, i) => ({ pixels: pictureAt(model, pictures[i], 0), label: `Your picture ${i + 1}` }));
    return html`<h4>${pictures.length.toLocaleString("en")} pictures</h4>
      <div class="pictures">${shown.map(({ pixels, label }) => html`<pofx-picture .pixels=${pixels} .label=${label}></pofx-picture>`)}</div>
      <form @submit=${this.#begin}>
        <label>Begin with
          <select @change=${(/** @type {Event} */ { target }) => (this.fresh = /** @type {HTMLSelectElement} */ (target).value === "fresh")}>
            <option value="further" ?selected=${!this.fresh}>the weights in use</option>
            <option value="fresh" ?selected=${this.fresh}>new weights</option>
          </select>
        </label>
        <label>Steps <input name="steps" type="number" min="1" max="100000" value="300" required /></label>
        <label>Pictures a step <input name="batch" type="number" min="1" max="256" value="32" required /></label>
        <label>Learning rate <input name="rate" type="number" min="0.000001" max="1" step="any" .value=${String(this.fresh ? RATES.fresh : RATES.further)} required /></label>
        <button class="primary">Train</button>
      </form>`;
  }

  /** @param {Model} model @param {Run} run */
  #renderRun(model, run) {
    const { step, settings } = run;
    const over = step >= settings.steps;
    const size = bytesOf(model);
    return html`
      <h4>Step ${step.toLocaleString("en")} of ${settings.steps.toLocaleString("en")}</h4>
      <p>${run.pictures.length / size} pictures to learn from, ${run.heldOut.length / size} held out; ${settings.fresh ? "from new weights" : "from the weights that were in use"}. ${this.#whereKept(run)}</p>
      ${this.unkept ? html`<p class="unkept">${this.unkept}</p>` : nothing}
      ${this.training ? this.#renderProgress(run) : nothing}
      <div class="tools">
        ${this.training ? html`<button type="button" @click=${() => this.#job.abort()}>Stop</button>` : nothing}
        ${!this.training && !over ? html`<button type="button" class="primary" @click=${() => void this.#train()}>Go on</button>` : nothing}
        ${this.training ? nothing : this.#renderUse(run)}
        ${run.weights ? html`<button type="button" @click=${() => run.weights && save({ name: `${run.model}-step-${step}.safetensors`, type: "application/octet-stream", content: run.weights })}>Save weights (.safetensors)</button>` : nothing}
        ${this.training ? nothing : html`<button type="button" @click=${this.#again}>Another run on these pictures</button><pofx-sure yes="Forget it" @sure=${() => void this.#drop()}>Forget this run</pofx-sure>`}
      </div>
      <div class="learning">
        <div>
          <h4>Samples by now</h4>
          <div class="pictures">${this.#items().map(({ pixels, label }) => html`<pofx-picture .pixels=${pixels} .label=${label}></pofx-picture>`)}</div>
        </div>
        <div>
          <h4>Held-out log <i>p</i>(<i>x</i>), nats a picture${run.kind === "lower_bound" ? " (lower bound)" : ""}</h4>
          <p>${run.before ? `Before: ${withError(run.before)}. ${lastWords(run)}, over ${run.asked} held-out pictures.${byHeart(run)}` : "Asking the weights in use first."}</p>
          <pofx-chart even .label=${"log p(x)"} .lines=${line(run, "nats", "Held-out log p(x), nats a picture")}></pofx-chart>
        </div>
        <div>
          <h4>Loss</h4>
          <p>${model.card.loss}; on the pictures of the last step.</p>
          <pofx-chart even .label=${"loss"} .lines=${line(run, "loss", "Loss")}></pofx-chart>
        </div>
      </div>`;
  }

  /** @param {Run} run */
  #whereKept({ at }) {
    if (this.unkept) return "";
    if (this.training) return "What is learnt is kept on this device every few seconds.";
    return at > 0 ? `Kept on this device since ${new Date(at).toLocaleString()}.` : "It is not kept on this device.";
  }

  /** Weights that were learnt: the last ones, and those before the pictures were learnt by heart. @param {Run} run */
  #renderUse(run) {
    const { weights, best, step } = run;
    if (!weights) return nothing;
    return html`<button type="button" @click=${() => this.#use(run, weights, step)}>Draw with these weights</button>
      ${best && best.step < step ? html`<button type="button" @click=${() => this.#use(run, best.weights, best.step)}>Draw with the best ones, of step ${best.step}</button>` : nothing}`;
  }

  #items() {
    return Array.from({ length: SHOWN }, (_, i) => ({ pixels: this.samples[i], label: this.samples[i] ? `Sample ${i + 1}` : `Sample ${i + 1}, not there yet` }));
  }

  /** @param {Run} run */
  #renderProgress({ step, settings }) {
    const { progress } = this;
    const doing = progress?.phase === "train" ? `Learning, step ${progress.done} of ${progress.total}${duration(progress.seconds_left)}` : "Asking, and drawing";
    return html`<p role="presentation">${doing}<br /><progress max=${settings.steps} value=${progress?.phase === "train" ? progress.done : step} aria-label="Steps of training"></progress></p>`;
  }
}

/** @param {Run} run @param {unknown} thrown */
async function whyUnkept(run, thrown) {
  const lost = "It goes on, but is lost when this page is closed, unless you save its weights.";
  if (!isFull(thrown)) return `This browser keeps no run. ${asSentence(thrown instanceof Error ? thrown.message : String(thrown))} ${lost}`;
  return `This browser has no room to keep this run (${megabytes(sizeOf(run))}). ${lost} ${await advice({ run: run.model })}`;
}

/** @param {Uint8Array} all @param {number} size */
function cut(all, size) {
  return Array.from({ length: all.length / size }, (_, i) => all.subarray(i * size, (i + 1) * size));
}

/** @param {Run} run */
function describe({ step, settings }) {
  return `${step} steps on your own pictures${settings.fresh ? ", from new weights" : ""}`;
}

/** @param {import("./course.js").Point} point */
function withError({ nats: value = NaN, std_error = NaN }) {
  return `${nats(value)} ± ${nats(std_error)}`;
}

/** @param {Run} run */
function lastWords({ points }) {
  const last = points.at(-1);
  return last && last.step > 0 ? `After step ${last.step}: ${withError(last)}` : "Nothing was learnt yet";
}

/** Whether held-out pictures have become less likely, while the loss falls. @param {Run} run */
function byHeart({ best, points }) {
  const last = points.at(-1);
  if (!best || !last?.nats || !last.std_error || last.nats > best.nats - last.std_error) return "";
  return ` It was ${nats(best.nats)} after step ${best.step}: since then the model learns the pictures by heart.`;
}

/** @param {Run} run @param {"nats" | "loss"} of @param {string} title @returns {import("./chart.js").Line[]} */
function line({ points }, of, title) {
  const known = points.flatMap(({ step, [of]: value }) => (value === undefined ? [] : [/** @type {[number, number]} */ ([step, value])]));
  return [{ title, unit: of === "nats" ? "nats" : "", points: known }];
}

customElements.define("pofx-trainer", Trainer);
