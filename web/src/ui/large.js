// One sample, large: how likely it is, what can be done with it, and files of it and of all that were drawn with it.

import { LitElement, css, html, nothing } from "lit";
import { toCsv, toNpy } from "../export/numbers.js";
import { encodePng } from "../export/png.js";
import { toRaster } from "../export/raster.js";
import { PofxError } from "../engine/errors.js";
import { KEYWORD, formatRecipe, toRecipe } from "../export/recipe.js";
import { asSentence, kindOf, nats, relation } from "./format.js";
import { pictureOf } from "./picture.js";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").SampleStep} SampleStep */
/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("./picture.js").Pixels} Pixels */

/**
 * `<pofx-large>`: properties `card`, `step` (the finished one), `index`, `values` (controls they were drawn with), `own` (the weights are a
 * person's own), `model` (to ask how likely the sample is), or `estimate` where somebody else asks, `film` (all pictures of the
 * way there), `rooms` (there is a place to ask more). Events: `close`, `answer` (detail: the Estimate), `send`, and `steer` (detail: values of
 * controls to set, and one to open).
 */
export class Large extends LitElement {
  static properties = {
    card: { attribute: false },
    step: { attribute: false },
    index: { type: Number },
    values: { attribute: false },
    own: { type: Boolean },
    rooms: { type: Boolean },
    model: { attribute: false },
    trouble: { state: true },
    estimate: { attribute: false },
    film: { attribute: false },
  };

  static styles = [
    shared,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 14rem) minmax(0, 1fr);
        gap: 1rem;
        margin-bottom: 1rem;
        padding: 1rem;
        border: 1px solid var(--line);
        border-radius: 0.8rem;
      }
      h3 {
        margin: 0 0 0.4rem;
        font: 500 1.1rem/1.4 var(--sans);
      }
      p {
        margin: 0 0 0.8rem;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .value {
        color: var(--text);
        font-variant-numeric: tabular-nums;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.4rem;
        margin-bottom: 0.6rem;
      }
      @container pofx (max-width: 40rem) {
        :host {
          grid-template-columns: minmax(0, 1fr);
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {import("../card.d.ts").Card | undefined} */ this.card = undefined;
    /** @type {SampleStep | undefined} */ this.step = undefined;
    this.index = 0;
    /** @type {Record<string, unknown>} */ this.values = {};
    this.own = false;
    this.rooms = false;
    /** @type {Model | undefined} */ this.model = undefined;
    /** Why there is no answer. */ this.trouble = "";
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** @type {Pixels[]} */ this.film = [];
  }

  #job = new AbortController();

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (this.model && ["model", "step", "index"].some((name) => changed.has(name))) void this.#ask(this.model);
  }

  /** @param {Model} model */
  async #ask(model) {
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    [this.estimate, this.trouble] = [undefined, ""];
    const { step, index } = this;
    if (!step || index >= step.done) return;
    const pixels = pictureOf(step, index);
    try {
      const estimate = await model.logProb({ ...pixels, data: Uint8Array.from(pixels.data) }, { seed: step.seed, signal });
      this.estimate = estimate;
      this.dispatchEvent(new CustomEvent("answer", { detail: estimate }));
    } catch (thrown) {
      if (!signal.aborted) this.trouble = PofxError.from(thrown).message;
    }
  }

  render() {
    const { step, index, card } = this;
    if (!step || index >= step.done) return nothing;
    const name = `Sample ${index + 1} of seed ${step.seed}`;
    const has = (/** @type {string} */ control) => card?.controls.some((one) => one.name === control);
    const pixels = pictureOf(step, index);
    const image = { data: Uint8Array.from(pixels.data), width: pixels.width, height: pixels.height };
    const button = (/** @type {string} */ text, /** @type {() => void} */ act) => html`<button type="button" @click=${act}>${text}</button>`;
    return html`<pofx-picture .pixels=${pixels} label=${name}></pofx-picture>
      <section aria-label=${name} @keydown=${this.#onKey}>
        <h3 tabindex="-1">${name}</h3>
        <p class="value">${this.#answer()}</p>
        <div class="tools">
          ${this.rooms ? html`<button type="button" class="primary" @click=${() => this.dispatchEvent(new CustomEvent("send"))}>Ask more about it</button>` : nothing}
          ${has("image") && has("vary") ? button("Vary it", () => this.#steer({ image, vary: 0.3 })) : nothing}
          ${has("image") && has("strength") ? button("Vary it", () => this.#steer({ image, strength: 0.5, mask: undefined })) : nothing}
          ${has("image") && has("to_image") ? button("Walk from it", () => this.#steer({ image })) : nothing}
          ${has("to_image") && this.values.image ? button("Walk to it", () => this.#steer({ to_image: image })) : nothing}
          ${has("image") && has("mask") ? button("Paint over a part", () => this.#steer({ image }, "mask")) : nothing}
        </div>
        <div class="tools">
          ${button("Save picture", () => void this.#png([index]))} ${button("Save all as one picture", () => void this.#png())}
          ${this.film.length > 1 ? button("Save film", () => void this.#apng()) : nothing}
          ${step.values ? button("Save values (NPY)", () => this.#npy()) : nothing}
          ${step.values ? button("Save values (CSV)", () => this.#csv()) : nothing}
        </div>
        <p>Saved pictures carry their recipe: drop one on this page to draw it again.</p>
        ${button("Close", () => this.#close())}
      </section>`;
  }

  firstUpdated() {
    this.renderRoot.querySelector("h3")?.focus({ preventScroll: true });
  }

  #answer() {
    const { estimate, trouble } = this;
    if (trouble) return trouble;
    if (!estimate) return "How likely is it? Being weighed …";
    if (typeof estimate.kind !== "string") return asSentence(estimate.kind.undefined);
    const error = estimate.std_error == null ? "" : ` ± ${estimate.std_error.toFixed(1)}`;
    return `log p(x) ${relation(estimate.kind)} ${nats(estimate.nats)}${error} nats (${kindOf(estimate)}, ${estimate.estimator})`;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") this.#close();
  }

  #close() {
    this.dispatchEvent(new CustomEvent("close"));
  }

  /** @param {Record<string, unknown>} values @param {string} [open] a control to be shown */
  #steer(values, open) {
    this.dispatchEvent(new CustomEvent("steer", { detail: { values, open } }));
  }

  /** @param {number} [index] @returns {Record<string, string>} */
  #texts(index) {
    const { step, card, values, own } = this;
    if (!step || !card) return {};
    const recipe = toRecipe({ model: card.id, sha256: own ? null : card.weights.sha256, seed: step.seed, n: step.n, values, index });
    return { Software: "p-of-x", [KEYWORD]: formatRecipe(recipe) };
  }

  /** @param {number[]} [which] all where it is not said */
  async #png(which) {
    const { step } = this;
    if (!step) return;
    const all = which ?? Array.from({ length: step.n }, (_, i) => i);
    const columns = Math.ceil(Math.sqrt(all.length));
    const raster = toRaster(all.map((i) => pictureOf(step, i)), { columns, gap: which ? 0 : 4 });
    this.#save("png", "image/png", await encodePng([raster], { texts: this.#texts(which?.[0]) }), which === undefined);
  }

  async #apng() {
    const frames = this.film.map((pixels) => toRaster([pixels]));
    this.#save("film.png", "image/png", await encodePng(frames, { texts: this.#texts(this.index) }));
  }

  #npy() {
    const { step } = this;
    if (step?.values) this.#save("npy", "application/octet-stream", toNpy(step.values, [step.n, step.channels, step.height, step.width]), true);
  }

  #csv() {
    const { n = 1, values } = this.step ?? {};
    if (!values) return;
    const size = values.length / n;
    const rows = Array.from({ length: n }, (_, i) => [i + 1, ...values.subarray(i * size, (i + 1) * size)]);
    this.#save("csv", "text/csv", toCsv(["sample", ...Array.from({ length: size }, (_, i) => `value_${i + 1}`)], rows), true);
  }

  /** @param {string} ending @param {string} type @param {BlobPart} content @param {boolean} [all] */
  #save(ending, type, content, all = false) {
    const url = URL.createObjectURL(new Blob([content], { type }));
    const which = all ? "" : `-${this.index + 1}`;
    const link = Object.assign(document.createElement("a"), { href: url, download: `${this.card?.id}-${this.step?.seed}${which}.${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

customElements.define("pofx-large", Large);
