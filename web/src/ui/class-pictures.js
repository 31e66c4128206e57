// The values of a label as pictures, to choose from: one sample of each, drawn here and now.

import { LitElement, css, html, nothing } from "lit";
import { PofxError } from "../p-of-x.js";
import { pictureOf } from "./picture.js";
import { shared } from "./styles.js";
import "./picture-list.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** Of more values the first are shown: the list of words has them all. */
const MOST = 40;
const COLUMNS = 5;

/** `<pofx-class-pictures>`: properties `model`, `name` (of the label) and `value` (the one that is set); event `change` (detail: value). */
export class ClassPictures extends LitElement {
  static properties = {
    model: { attribute: false },
    name: {},
    value: { attribute: false },
    pictures: { state: true },
    trouble: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      p {
        margin: 0.4rem 0 0;
        color: var(--muted);
        font-size: 0.9375rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Model | undefined} */ this.model = undefined;
    this.name = "";
    /** @type {unknown} */ this.value = undefined;
    /** As many as are drawn, in the order of the values. @type {Pixels[]} */ this.pictures = [];
    this.trouble = "";
  }

  #job = new AbortController();

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("model") || changed.has("name")) void this.#draw();
  }

  /** The values that are shown: those that were learnt best, if not all were. */
  get #values() {
    const label = this.model?.card.labels.find(({ name }) => name === this.name);
    if (!label) return [];
    const all = label.offered.length > 0 ? label.offered.map((i) => label.values[i]) : label.values;
    return all.slice(0, MOST);
  }

  async #draw() {
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    const { model, name } = this;
    [this.pictures, this.trouble] = [[], ""];
    try {
      for (const value of this.#values) {
        for await (const step of model?.sample({ n: 1, seed: 0, [name]: value, signal }) ?? []) {
          if (step.done === 1) this.pictures = [...this.pictures, pictureOf(step, 0)];
        }
      }
    } catch (thrown) {
      if (!signal.aborted) this.trouble = PofxError.from(thrown).message;
    }
  }

  render() {
    const values = this.#values;
    const all = this.model?.card.labels.find(({ name }) => name === this.name)?.values.length ?? 0;
    return html`<pofx-picture-list
        label="One sample of each value of ${this.name}"
        .columns=${COLUMNS}
        .items=${values.map((value, i) => ({ pixels: this.pictures[i], label: this.pictures[i] ? value : `${value}, not there yet` }))}
        .selected=${values.indexOf(String(this.value))}
        @pick=${(/** @type {CustomEvent<{ index: number }>} */ { detail }) => this.dispatchEvent(new CustomEvent("change", { detail: { value: values[detail.index] } }))}
      ></pofx-picture-list>
      ${this.trouble ? html`<p role="alert">${this.trouble}</p>` : nothing}
      ${values.length < all ? html`<p>${values.length} of ${all}; the list above has them all.</p>` : nothing}`;
  }
}

customElements.define("pofx-class-pictures", ClassPictures);
