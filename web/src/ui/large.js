// One sample, large: how likely it is, what can be done with it, and files of it and of all that were drawn with it.

import { LitElement, css, html, nothing } from "lit";
import { PofxError } from "../engine/errors.js";
import { filmFile, pictureFile, scoresFile, tableFile, valuesFile } from "../export/samples.js";
import { save } from "../export/save.js";
import { sentence } from "./format.js";
import { pictureOf } from "./picture.js";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").SampleStep} SampleStep */
/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** How much is changed when a sample is varied. */
const VARY = { vary: 0.3, strength: 0.5 };

/**
 * `<pofx-large>`: properties `model`, `step` (the finished one), `index`, `values` (controls they were drawn with), `own` (the weights are a
 * person's own), `answered` (somebody else answers how likely the sample is), `rooms` (there is a place to ask more), `film` (all pictures
 * of the way there), `from` (the sample where a walk starts). Events: `close`, `answer` (detail: the Estimate), `send`, `from`, `steer`
 * (detail: values of controls to set, one to open, pictures to encode by their latent) and `failed` (detail: PofxError).
 */
export class Large extends LitElement {
  static properties = {
    model: { attribute: false },
    step: { attribute: false },
    index: { type: Number },
    values: { attribute: false },
    own: { type: Boolean },
    answered: { type: Boolean },
    rooms: { type: Boolean },
    film: { attribute: false },
    from: { attribute: false },
    estimate: { state: true },
    trouble: { state: true },
    weighed: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 13rem) minmax(0, 1fr);
        gap: 1.2rem;
        padding: 1rem;
        border: 1px solid var(--line);
        border-radius: 0.8rem;
        scroll-margin: 1rem;
      }
      .head {
        display: flex;
        justify-content: space-between;
        align-items: baseline;
      }
      h3,
      h4 {
        margin: 0 0 0.4rem;
        font: 500 1.1rem/1.4 var(--sans);
        outline-offset: 0.3rem;
      }
      h4 {
        margin-top: 1rem;
        font-size: 0.9375rem;
        color: var(--muted);
      }
      p {
        margin: 0 0 0.8rem;
        color: var(--muted);
        font-size: 0.9375rem;
        text-wrap: pretty;
      }
      .value {
        min-height: 3em;
        color: var(--text);
        font-variant-numeric: tabular-nums;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.4rem;
        font-size: 0.9375rem;
      }
      .tools + p {
        margin-top: 0.6rem;
      }
      progress {
        width: 6rem;
        accent-color: var(--accent);
      }
      @container pofx (max-width: 40rem) {
        :host {
          grid-template-columns: minmax(0, 1fr);
        }
        pofx-picture {
          max-width: 14rem;
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Model | undefined} */ this.model = undefined;
    /** @type {SampleStep | undefined} */ this.step = undefined;
    this.index = 0;
    /** @type {Record<string, unknown>} */ this.values = {};
    this.own = false;
    this.answered = false;
    this.rooms = false;
    /** @type {Pixels[]} */ this.film = [];
    /** @type {{ pixels: Pixels, index: number } | undefined} */ this.from = undefined;
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** Why there is no answer. */ this.trouble = "";
    /** How many samples have been weighed for a file; undefined while none is being made. @type {number | undefined} */ this.weighed = undefined;
  }

  #job = new AbortController();
  /** How likely all samples of a step are: the same for every file. @type {{ step?: SampleStep, estimates: Estimate[] }} */ #scores = { estimates: [] };

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (["model", "step", "index"].some((name) => changed.has(name))) void this.#ask();
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (!changed.has("index") && !changed.has("step")) return;
    this.scrollIntoView({ block: "nearest" });
    this.renderRoot.querySelector("h3")?.focus({ preventScroll: true });
  }

  async #ask() {
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    [this.estimate, this.trouble, this.weighed] = [undefined, "", undefined];
    if (this.answered) return;
    try {
      this.estimate = await this.#weigh(this.index, signal);
      this.dispatchEvent(new CustomEvent("answer", { detail: this.estimate }));
    } catch (thrown) {
      if (!signal.aborted) this.trouble = PofxError.from(thrown).message;
    }
  }

  /** @param {number} index @param {AbortSignal} signal */
  async #weigh(index, signal) {
    const { model, step } = this;
    if (!model || !step) throw new PofxError("bad-request", "There is no such sample.");
    const pixels = pictureOf(step, index);
    return model.logProb({ ...pixels, data: Uint8Array.from(pixels.data) }, { seed: step.seed, signal });
  }

  /** Asks about all samples, and makes a file of the answers. @param {(estimates: Estimate[]) => import("../export/save.js").NamedFile} file */
  async #saveScores(file) {
    const { step } = this;
    if (!step) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    if (this.#scores.step !== step) this.#scores = { step, estimates: [] };
    const { estimates } = this.#scores;
    try {
      for (this.weighed = estimates.length; this.weighed < step.n; this.weighed += 1) estimates.push(await this.#weigh(this.weighed, signal));
      save(file(estimates));
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (!signal.aborted) this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    } finally {
      if (!signal.aborted) this.weighed = undefined;
    }
  }

  #stop() {
    this.#job.abort();
    this.weighed = undefined;
  }

  render() {
    const { step, index } = this;
    if (!step || index >= step.done) return nothing;
    const name = `Sample ${index + 1} of seed ${step.seed}`;
    return html`<pofx-picture .pixels=${pictureOf(step, index)} label=${name}></pofx-picture>
      <section aria-label=${name} @keydown=${this.#onKey}>
        <div class="head">
          <h3 tabindex="-1">${name}</h3>
          ${button("Close", () => this.#tell("close"), "quiet")}
        </div>
        ${this.answered ? nothing : html`<p class="value">${this.#answer()}</p>`}
        <div class="tools">
          ${this.rooms && !this.answered ? button("Ask more about it", () => this.#tell("send"), "primary") : nothing} ${this.#renderSteps(step)}
        </div>
        ${this.#renderFiles(step)}
      </section>`;
  }

  /** What can be drawn from here. @param {SampleStep} step */
  #renderSteps(step) {
    const { from, index } = this;
    const has = (/** @type {string} */ name) => this.model?.controls.some((control) => control.name === name);
    if (!has("image")) return nothing;
    const image = bytes(pictureOf(step, index));
    const vary = has("vary") ? { vary: VARY.vary } : has("strength") ? { strength: VARY.strength, mask: undefined } : undefined;
    const elsewhere = from && from.index !== index ? from : undefined;
    return html`
      ${vary ? button("Vary it", () => this.#tell("steer", { values: { image, to_image: undefined, ...vary } })) : nothing}
      ${has("mask") ? button("Paint over a part", () => this.#tell("steer", { values: { image }, open: "mask" })) : nothing}
      ${has("to_image") || has("to_latent") ? button("Walk from it", () => this.#tell("from")) : nothing}
      ${elsewhere ? button(`Walk to it from sample ${elsewhere.index + 1}`, () => this.#walk(elsewhere.pixels, pictureOf(step, index), has("to_image")), "primary") : nothing}
      ${from && !elsewhere ? html`<span>Now choose the sample to walk to.</span>` : nothing}
    `;
  }

  /** Draws the way between two pictures; a model that takes none there finds their latents first. @param {Pixels} from @param {Pixels} to @param {boolean} [pictures] */
  #walk(from, to, pictures) {
    const none = { image: undefined, to_image: undefined, latent: undefined, to_latent: undefined };
    if (pictures) this.#tell("steer", { values: { ...none, image: bytes(from), to_image: bytes(to) } });
    else this.#tell("steer", { values: none, encode: { latent: from, to_latent: to } });
  }

  /** @param {SampleStep} step */
  #renderFiles(step) {
    const { model, index, values, own, film, weighed } = this;
    if (!model) return nothing;
    const drawn = { card: model.card, step, values, own };
    const exact = step.values;
    const saved = (/** @type {Promise<import("../export/save.js").NamedFile>} */ file) => void file.then(save);
    return html`
      <h4>Save</h4>
      <div class="tools">
        ${button("Picture", () => saved(pictureFile(drawn, index)))}
        ${film.length > 1 ? button("Film", () => saved(filmFile(drawn, index, film))) : nothing}
        ${step.n > 1 ? button(`All ${step.n} as one picture`, () => saved(pictureFile(drawn))) : nothing}
        ${exact
          ? html`${button("Values (NPY)", () => save(valuesFile(drawn, exact)))}
            ${button("log p (NPY)", () => void this.#saveScores((estimates) => scoresFile(drawn, estimates)))}
            ${button("Values and log p (CSV)", () => void this.#saveScores((estimates) => tableFile(drawn, exact, estimates)))}`
          : nothing}
      </div>
      ${weighed === undefined
        ? html`<p>Pictures and films carry their recipe: drop one on this page to draw it again.</p>`
        : html`<p class="tools">
            <progress max=${step.n} value=${weighed} aria-label="Samples weighed"></progress> ${weighed} of ${step.n} samples weighed
            ${button("Stop", () => this.#stop())}
          </p>`}
    `;
  }

  #answer() {
    const { estimate, trouble } = this;
    if (estimate) return `${sentence(estimate)}.`;
    return trouble || "How likely is it? Being weighed …";
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") this.#tell("close");
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {string} text @param {() => void} act @param {string} [look] */
function button(text, act, look = "") {
  return html`<button type="button" class=${look} @click=${act}>${text}</button>`;
}

/** A copy that a control may keep. @param {Pixels} pixels */
function bytes({ data, width, height }) {
  return { data: Uint8Array.from(data), width, height };
}

customElements.define("pofx-large", Large);
