// The controls of a model, built from its card: a person sets them, the worker checks them, and what it says about one
// stands below it.

import { LitElement, html, nothing } from "lit";
import { controlStyles } from "./control-styles.js";
import { shared } from "./styles.js";

/** @typedef {import("../card.d.ts").Control} Control */
/** @typedef {import("../card.d.ts").Card} Card */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** A label that is drawn anew for each picture. */
export const RANDOM = "random";

/** What a page sets where nobody has said anything: each picture gets a label of its own. @param {Control[]} controls */
export function startValues(controls) {
  const labels = controls.filter(({ kind }) => kind === "label");
  return Object.fromEntries(labels.map(({ name }) => [name, RANDOM]));
}

/** What a link says, as values of these controls; what is none of them is left out. @param {Control[]} controls @param {Record<string, any>} linked */
export function fromLink(controls, linked) {
  const isNumber = ({ kind = "" } = {}) => kind === "number" || kind === "count";
  const known = Object.entries(linked).map(([name, value]) => /** @type {const} */ ([controls.find((control) => control.name === name), value]));
  return Object.fromEntries(
    known.flatMap(([control, value]) => (control ? [[control.name, isNumber(control) ? typed(String(value)) : value]] : [])),
  );
}

/** Whether these values leave nothing to chance: a point of the latent space is one picture. @param {string | undefined} family @param {Record<string, any>} values */
export function isPoint(family, { latent, image, to_latent, to_image, to_seed, vary = 0 }) {
  const encodes = family === "vae" || family === "gan";
  return Boolean(latent || (encodes && image)) && !to_latent && !to_image && to_seed === undefined && !(vary > 0);
}

/** A help text without the marks of code, with a control's name as it is shown. @param {string} help */
function plainly(help) {
  return help.replace(/`(\w+)`/g, (_, name) => `“${words(name)}”`);
}

/** A name as a person reads it. @param {string} name */
export function words(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

/**
 * What was typed: a number if it is one, nothing if the field is empty, else the text, about which the worker says what
 * is wrong.
 * @param {string} text
 */
function typed(text) {
  const plain = text.trim().replace("−", "-");
  if (plain === "") return undefined;
  return Number.isNaN(Number(plain)) ? text : Number(plain);
}

/** @typedef {Extract<Control, { kind: "number" | "count" }>} NumberControl */

/** From this ratio of its ends on, a slider of whole numbers is logarithmic. */
const WIDE = 100;

/** Where a number lies on its slider, and back. @param {NumberControl} control */
function scale({ kind, min, max }) {
  if (kind === "count" && min >= 1 && max / min >= WIDE) {
    return { from: Math.log(min), to: Math.log(max), step: "any", at: Math.log, back: (/** @type {number} */ v) => Math.round(Math.exp(v)) };
  }
  const step = kind === "count" ? 1 : 10 ** Math.floor(Math.log10((max - min) / 50));
  const same = (/** @type {number} */ v) => v;
  return { from: min, to: max, step: String(step), at: same, back: same };
}

/**
 * `<pofx-controls>`: properties `card`, `controls` (those of the card that are shown), `random` (whether a label may be drawn
 * for each picture), `values` (those that were set, by name), `errors` (a sentence, by name), `choice`
 * (the picture that is chosen elsewhere on the page, and may be used here), `model` (draws a picture of each value of a label). Events: `change` (detail: name, value,
 * undefined for the default), `encode` (detail: name of the latent that is to become the chosen picture) and `survey` (the map
 * of two latents was opened, and waits for its `atlas` of pictures).
 */
export class Controls extends LitElement {
  static properties = {
    card: { attribute: false },
    controls: { attribute: false },
    random: { type: Boolean },
    values: { attribute: false },
    errors: { attribute: false },
    choice: { attribute: false },
    atlas: { attribute: false },
    model: { attribute: false },
    pictured: { state: true },
  };

  static styles = [shared, controlStyles];

  constructor() {
    super();
    /** @type {Card | undefined} */ this.card = undefined;
    /** @type {Control[]} */ this.controls = [];
    this.random = false;
    /** @type {Record<string, any>} */ this.values = {};
    /** @type {Record<string, string>} */ this.errors = {};
    /** @type {Pixels | undefined} */ this.choice = undefined;
    /** @type {Pixels[]} */ this.atlas = [];
    /** @type {import("../p-of-x.js").Model | undefined} */ this.model = undefined;
    /** The label whose values are shown as pictures. */ this.pictured = "";
  }

  render() {
    const { controls } = this;
    const isLarge = (/** @type {Control} */ { kind }) => ["latent", "picture", "mask"].includes(kind);
    const large = controls.filter(isLarge);
    return html`
      <div class="rows">${controls.filter((control) => !isLarge(control)).map((control) => this.#row(control))}</div>
      ${large.length > 0 ? html`<div class="large">${large.map((control) => this.#disclosure(control))}</div>` : nothing}
    `;
  }

  updated() {
    // An error is to be seen; what was opened for it stays open when it is gone.
    for (const details of this.renderRoot.querySelectorAll("details")) {
      if ((details.dataset.name ?? "") in this.errors) details.open = true;
    }
  }

  /** Opens a large control and goes there. @param {string} name */
  reveal(name) {
    const details = [...this.renderRoot.querySelectorAll("details")].find(({ dataset }) => dataset.name === name);
    if (!details) return;
    details.open = true;
    details.querySelector("summary")?.focus();
  }

  /** @param {Control} control */
  #row(control) {
    const { name, help } = control;
    const error = this.errors[name];
    return html`<div class="row ${control.kind}">
      <label for=${name}>${words(name)}</label>
      <div class="field">${this.#field(control)}</div>
      <p class="help" id="${name}-help">${plainly(help)}</p>
      ${error ? html`<p class="error" id="${name}-error" role="alert">${error}</p>` : nothing}
      ${control.kind === "label" && this.model ? this.#pictures(control) : nothing}
    </div>`;
  }

  /** The values of a label as pictures, drawn when they are asked for. @param {Control} control */
  #pictures(control) {
    const { name } = control;
    const open = this.pictured === name;
    const toggle = () => void import("./class-pictures.js").then(() => (this.pictured = open ? "" : name));
    return html`<button type="button" class="quiet" aria-expanded=${open} @click=${toggle}>${words(name)} as pictures</button>
      ${open
        ? html`<pofx-class-pictures
            .model=${this.model}
            name=${name}
            .value=${this.values[name]}
            @change=${(/** @type {CustomEvent} */ { detail }) => this.#set(control, detail.value)}
          ></pofx-class-pictures>`
        : nothing}`;
  }

  /** @param {Control} control */
  #field(control) {
    switch (control.kind) {
      case "number":
      case "count":
        return this.#number(control);
      case "choice":
        return this.#select(control, control.options.map((word) => [word, word]), this.values[control.name] ?? control.default);
      case "label":
        return this.#label(control);
      case "switch":
        return html`<input
          type="checkbox"
          id=${control.name}
          aria-describedby=${this.#described(control)}
          .checked=${Boolean(this.values[control.name] ?? control.default)}
          @change=${(/** @type {Event} */ e) => this.#set(control, /** @type {HTMLInputElement} */ (e.target).checked)}
        />`;
      default:
        return nothing;
    }
  }

  /** A slider and a field for the same number; a field alone for what may be off. @param {NumberControl} control */
  #number(control) {
    const { name } = control;
    const value = this.values[name] ?? control.default;
    const text = (/** @type {Event} */ e) => /** @type {HTMLInputElement} */ (e.target).value;
    return html`${control.default === null ? nothing : this.#slider(control, Number.isFinite(value) ? value : control.default)}
      <input
        id=${name}
        type="text"
        inputmode="decimal"
        autocomplete="off"
        maxlength="24"
        placeholder=${control.default === null ? "off" : ""}
        aria-invalid=${name in this.errors}
        aria-describedby=${this.#described(control)}
        .value=${value === null || value === undefined ? "" : String(value)}
        @change=${(/** @type {Event} */ e) => this.#set(control, typed(text(e)))}
      />`;
  }

  /** @param {NumberControl} control @param {number} value */
  #slider(control, value) {
    const { from, to, step, at, back } = scale(control);
    return html`<input
      type="range"
      aria-label="${words(control.name)}, slider"
      aria-valuetext=${value}
      aria-describedby=${this.#described(control)}
      min=${from}
      max=${to}
      step=${step}
      .value=${String(at(value))}
      @input=${(/** @type {Event} */ e) => this.#set(control, back(Number(/** @type {HTMLInputElement} */ (e.target).value)))}
    />`;
  }

  /**
   * @param {Control} control
   * @param {unknown} options what is in the list: pairs of value and text, or a template
   * @param {string} value
   */
  #select(control, options, value) {
    const option = (/** @type {[string, string]} */ [word, text]) => html`<option value=${word} ?selected=${word === value}>${text}</option>`;
    return html`<select
      id=${control.name}
      aria-invalid=${control.name in this.errors}
      aria-describedby=${this.#described(control)}
      @change=${(/** @type {Event} */ e) => this.#set(control, /** @type {HTMLSelectElement} */ (e.target).value)}
    >
      ${Array.isArray(options) ? options.map(option) : options}
    </select>`;
  }

  /** @param {Extract<Control, { kind: "label" }>} control */
  #label(control) {
    const { name, values } = control;
    const offered = this.card?.labels.find((label) => label.name === name)?.offered ?? [];
    const value = this.values[name] ?? null;
    const option = (/** @type {string} */ word) => html`<option value=${word} ?selected=${word === value}>${words(word)}</option>`;
    const rest = values.filter((_, i) => !offered.includes(i));
    const options = html`<option value="" ?selected=${value === null}>Any</option>
      ${this.random ? html`<option value=${RANDOM} ?selected=${value === RANDOM}>Random for each</option>` : nothing}
      ${offered.length > 0 ? html`<optgroup label="Learnt best">${offered.map((i) => option(values[i]))}</optgroup>` : nothing}
      ${offered.length > 0 ? html`<optgroup label="All others">${rest.map(option)}</optgroup>` : rest.map(option)}`;
    return this.#select(control, options, value);
  }

  /** @param {Control} control */
  #disclosure(control) {
    const { name, help } = control;
    const error = this.errors[name];
    const set = this.values[name] !== undefined;
    return html`<details data-name=${name} @toggle=${(/** @type {Event} */ e) => this.#onToggle(e, control)}>
      <summary>${words(name)}<span class="state">${set ? "set" : "not set"}</span></summary>
      <p class="help" id="${name}-help">${plainly(help)}</p>
      ${error ? html`<p class="error" id="${name}-error" role="alert">${error}</p>` : nothing}
      ${this.#large(control)}
    </details>`;
  }

  /** Loads what draws a control when it is first opened. @param {Event} event @param {Control} control */
  #onToggle(event, control) {
    if (!(/** @type {HTMLDetailsElement} */ (event.target).open)) return;
    if (control.kind === "mask") void import("./mask.js");
    if (control.kind === "picture") void import("./picture-field.js");
    if (control.kind !== "latent") return;
    void import("./latent.js");
    if (control.size === 2) this.dispatchEvent(new CustomEvent("survey"));
  }

  /** @param {Control} control */
  #large(control) {
    const { name } = control;
    const set = (/** @type {CustomEvent} */ { detail }) => this.#set(control, detail.value);
    const size = this.card?.image.size ?? 1;
    switch (control.kind) {
      case "latent":
        return html`<pofx-latent
          label=${words(name)}
          .size=${control.size}
          .values=${this.values[name]}
          ?choice=${Boolean(this.choice)}
          .atlas=${this.atlas}
          @change=${set}
          @encode=${() => this.dispatchEvent(new CustomEvent("encode", { detail: { name } }))}
        ></pofx-latent>`;
      case "picture":
        return html`<pofx-picture-field label=${words(name)} .value=${this.values[name]} .choice=${this.choice} @change=${set}></pofx-picture-field>`;
      case "mask":
        return html`<pofx-mask label=${words(name)} .size=${size} .values=${this.values[name]} .picture=${this.values.image} @change=${set}></pofx-mask>`;
      default:
        return nothing;
    }
  }

  /** @param {Control} control */
  #described({ name }) {
    return name in this.errors ? `${name}-error ${name}-help` : `${name}-help`;
  }

  /** @param {Control} control @param {unknown} value */
  #set({ name, kind }, value) {
    // An empty choice of a label is said as such: without it the page would choose.
    const said = kind === "label" && value === "" ? null : value;
    this.dispatchEvent(new CustomEvent("change", { detail: { name, value: said } }));
  }
}

customElements.define("pofx-controls", Controls);
