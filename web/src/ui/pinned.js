// Another setting of the same model beside the present one: drawn with the same seed, so that what differs is the setting's doing.

import { LitElement, css, html } from "lit";
import { PofxError } from "../p-of-x.js";
import { words } from "./controls.js";
import { pictureOf } from "./picture.js";
import { shared } from "./styles.js";
import "./picture-list.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("../p-of-x.js").SampleStep} SampleStep */
/** @typedef {Record<string, any>} Values */

/**
 * `<pofx-pinned>`: properties `model`, `values` (the setting that stays), `step` (samples drawn with it), `now` (the present setting) and `beside`
 * (the present samples: their seed and number are taken over). Events: `swap`, `close`, `failed` (detail: PofxError).
 */
export class Pinned extends LitElement {
  static properties = {
    model: { attribute: false },
    values: { attribute: false },
    step: { attribute: false },
    now: { attribute: false },
    beside: { attribute: false },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .head {
        min-height: 2.75rem;
        display: flex;
        align-items: center;
      }
      dl {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 0.1rem 0.8rem;
        margin: 0.6rem 0;
        font-size: 0.9375rem;
      }
      dt {
        color: var(--muted);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
        font-variant-numeric: tabular-nums;
      }
      p {
        margin: 0.6rem 0;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.4rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Model | undefined} */ this.model = undefined;
    /** @type {Values} */ this.values = {};
    /** @type {SampleStep | undefined} */ this.step = undefined;
    /** @type {Values} */ this.now = {};
    /** @type {SampleStep | undefined} */ this.beside = undefined;
  }

  #job = new AbortController();

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    const { step, beside, model } = this;
    // What is finished is followed, not what is on its way: the engine draws one thing after the other.
    if (!changed.has("beside") || !model || !beside || beside.done < beside.n) return;
    if (step?.seed !== beside.seed || step.n !== beside.n) void this.#draw(model, beside);
  }

  /** @param {Model} model @param {SampleStep} like */
  async #draw(model, { seed, n }) {
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    try {
      for await (const step of model.sample({ ...this.values, seed, n, signal })) this.step = step;
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (error.code !== "aborted") this.#tell("failed", error);
    }
  }

  render() {
    const { step } = this;
    const n = step?.n ?? 1;
    const items = Array.from({ length: n }, (_, i) => ({
      pixels: step && i < step.done ? pictureOf(step, i) : undefined,
      label: `Sample ${i + 1} of ${n} with the other setting`,
    }));
    return html`<div class="head"><strong>Before</strong></div>
      <pofx-picture-list label="Samples of the other setting" .columns=${Math.ceil(Math.sqrt(n))} .items=${items} .selected=${-1}></pofx-picture-list>
      ${this.#renderDifferences()}
      <div class="tools">${this.#button("Swap", "swap")} ${this.#button("Stop comparing", "close", "quiet")}</div>`;
  }

  #renderDifferences() {
    const names = [...new Set([...Object.keys(this.values), ...Object.keys(this.now)])].filter((name) => this.values[name] !== this.now[name]);
    if (names.length === 0) return html`<p>Nothing differs yet: move a control.</p>`;
    return html`<dl>${names.map((name) => html`<dt>${words(name)}</dt><dd>${this.#written(name, this.values)} → ${this.#written(name, this.now)}</dd>`)}</dl>`;
  }

  /** @param {string} name @param {Values} values */
  #written(name, values) {
    const control = this.model?.controls.find((one) => one.name === name);
    const value = values[name] ?? (control && "default" in control ? control.default : null);
    if (value === null || value === undefined) return control?.kind === "label" ? "any" : "not set";
    return typeof value === "object" ? "set" : String(value);
  }

  /** @param {string} text @param {string} event @param {string} [look] */
  #button(text, event, look = "") {
    return html`<button type="button" class=${look} @click=${() => this.#tell(event)}>${text}</button>`;
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("pofx-pinned", Pinned);
