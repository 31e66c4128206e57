// What is wanted of all models at once: a class, how much it is followed, the temperature, a given coordinate.

import { LitElement, css, html, nothing } from "lit";
import { shared } from "../ui/styles.js";
import { fields } from "../ui/field-styles.js";
import { labStyles } from "./lab-styles.js";
import { MOST, PLAIN } from "./state.js";

/** @typedef {import("./state.js").Wish} Wish */

/** `<pofx-steer>`: properties `wish`, `classes`, `axes` (names). Event: `wish` (detail: a Wish). */
export class Steer extends LitElement {
  static properties = { wish: { attribute: false }, classes: { attribute: false }, axes: { attribute: false } };

  static styles = [
    shared,
    fields,
    labStyles,
    css`
      .tools {
        gap: 0.4rem 1.2rem;
      }
      input[type="range"] {
        width: 7rem;
      }
      output {
        min-width: 2.2em;
        font-variant-numeric: tabular-nums;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Wish} */ this.wish = PLAIN;
    /** @type {string[]} */ this.classes = [];
    /** @type {[string, string]} */ this.axes = ["x1", "x2"];
  }

  render() {
    const { wish } = this;
    const value = (/** @type {Event} */ { target }) => /** @type {HTMLSelectElement} */ (target).value;
    return html`<div class="tools" role="group" aria-label="What is wanted of the samples">
      ${this.classes.length > 0
        ? html`<label>Class <select @change=${(/** @type {Event} */ e) => this.#tell({ class: value(e) === "" ? null : Number(value(e)) })}>
              <option value="" ?selected=${wish.class === null}>all</option>
              ${this.classes.map((name, i) => html`<option value=${i} ?selected=${i === wish.class}>${name}</option>`)}
            </select></label>
            ${this.#slider("guidance", "Guidance", wish.class === null)}`
        : nothing}
      ${this.#slider("temperature", "Temperature", false)}
      <label>Given <select @change=${(/** @type {Event} */ e) => this.#tell({ given: value(e) === "" ? null : /** @type {0 | 1} */ (Number(value(e))) })}>
        <option value="" ?selected=${wish.given === null}>nothing</option>
        ${this.axes.map((name, i) => html`<option value=${i} ?selected=${i === wish.given}>the probe’s ${name}</option>`)}
      </select></label>
    </div>`;
  }

  /** @param {"guidance" | "temperature"} name @param {string} title @param {boolean} disabled */
  #slider(name, title, disabled) {
    const value = this.wish[name];
    return html`<label>${title}
      <input type="range" min="0" max=${MOST[name]} step="0.1" .value=${String(value)} ?disabled=${disabled}
        @change=${(/** @type {Event} */ { target }) => this.#tell({ [name]: Number(/** @type {HTMLInputElement} */ (target).value) })} />
      <output>${value.toFixed(1)}</output></label>`;
  }

  /** @param {Partial<Wish>} change */
  #tell(change) {
    this.dispatchEvent(new CustomEvent("wish", { detail: { ...this.wish, ...change } }));
  }
}

customElements.define("pofx-steer", Steer);
