// Which model: all that are shipped, by family, each with some of its samples and the size of its download.

import { LitElement, css, html, nothing } from "lit";
import { megabytes } from "./format.js";
import { shared } from "./styles.js";

/** @typedef {import("../card.d.ts").Listed} Listed */

/** Families in the order of a course; those that are none of them come last. @type {Record<string, string>} */
const FAMILIES = {
  vae: "Variational auto-encoders",
  gan: "Adversarial networks",
  diffusion: "Diffusion",
  transformer: "Autoregressive transformers",
};

/** `<pofx-chooser>`: properties `models`, `model` (the id of the one in use), `folder` (URL of models/); event `choose` (detail: id). */
export class Chooser extends LitElement {
  static properties = {
    models: { attribute: false },
    model: {},
    folder: { attribute: false },
    open: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        margin-bottom: 1.2rem;
      }
      summary {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.3rem 1rem;
        min-height: 3.4rem;
        padding: 0.5rem 1.2rem;
        background: var(--surface);
        border: 1px solid var(--control);
        border-radius: 0.8rem;
        cursor: pointer;
        list-style: none;
      }
      summary::-webkit-details-marker {
        display: none;
      }
      summary:hover {
        border-color: var(--text);
      }
      summary b {
        font: 500 1.25rem/1.3 var(--serif);
      }
      summary span {
        color: var(--muted);
        font-size: 0.9375rem;
      }
      summary .change {
        margin-left: auto;
        color: var(--accent);
      }
      .families {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr));
        gap: 1rem 1.5rem;
        margin-top: 0.7rem;
        padding: 1rem 1.2rem 1.3rem;
        background: var(--surface);
        border: 1px solid var(--line);
        border-radius: 0.8rem;
      }
      h2 {
        margin: 0 0 0.5rem;
        font: 500 1rem/1.4 var(--sans);
        color: var(--muted);
      }
      ul {
        display: grid;
        gap: 0.5rem;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      button {
        display: grid;
        grid-template-columns: 4.25rem minmax(0, 1fr);
        justify-content: start;
        justify-items: start;
        gap: 0.1rem 0.9rem;
        width: 100%;
        height: auto;
        padding: 0.4rem;
        text-align: left;
        white-space: normal;
        line-height: 1.3;
      }
      button[aria-current="true"] {
        border-color: var(--accent);
        box-shadow: 0 0 0 1px var(--accent);
      }
      .thumb {
        grid-row: 1 / 3;
        width: 4.25rem;
        height: 4.25rem;
        border-radius: 0.4rem;
        overflow: hidden;
        background: var(--sunken);
        display: grid;
        place-items: center;
        color: var(--muted);
        font: italic 1rem var(--serif);
      }
      .thumb img {
        /* The first three rows and columns of ten. */
        width: 14.2rem;
        justify-self: start;
        align-self: start;
      }
      .name {
        align-self: end;
        font-weight: 500;
      }
      .size {
        align-self: start;
        color: var(--muted);
        font-size: 0.9375rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Listed[]} */ this.models = [];
    this.model = "";
    /** @type {URL | undefined} */ this.folder = undefined;
    this.open = false;
  }

  render() {
    const current = this.models.find(({ id }) => id === this.model);
    return html`<details ?open=${this.open} @toggle=${this.#onToggle}>
      <summary>
        <b>${current?.title ?? this.model}</b>
        <span>${current ? `${current.data}, ${megabytes(current.bytes)}` : nothing}</span>
        <span class="change">${this.open ? "Close the list" : "Change the model"}</span>
      </summary>
      ${this.open ? this.#families() : nothing}
    </details>`;
  }

  #families() {
    const order = Object.keys(FAMILIES);
    const place = (/** @type {string} */ family) => (order.includes(family) ? order.indexOf(family) : order.length);
    const families = [...new Set(this.models.map(({ family }) => family))].sort((a, b) => place(a) - place(b));
    return html`<div class="families">
      ${families.map(
        (family) => html`<section>
          <h2 id=${family}>${FAMILIES[family] ?? family}</h2>
          <ul aria-labelledby=${family}>${this.models.filter((m) => m.family === family).map((m) => html`<li>${this.#entry(m)}</li>`)}</ul>
        </section>`,
      )}
    </div>`;
  }

  /** @param {Listed} listed */
  #entry({ id, title, sheet, bytes, data }) {
    const src = sheet ? new URL(`${id}/${sheet}`, this.folder).href : "";
    return html`<button type="button" aria-current=${id === this.model} @click=${() => this.#choose(id)}>
      <span class="thumb">${src ? html`<img src=${src} alt="" loading="lazy" decoding="async" />` : html`<span aria-hidden="true">p(x)</span>`}</span>
      <span class="name">${title}</span>
      <span class="size">${data}, ${megabytes(bytes)}</span>
    </button>`;
  }

  /** @param {Event} event */
  #onToggle(event) {
    this.open = /** @type {HTMLDetailsElement} */ (event.target).open;
  }

  /** @param {string} id */
  #choose(id) {
    this.open = false;
    // The list goes: the focus must not go with it.
    this.renderRoot.querySelector("summary")?.focus();
    if (id !== this.model) this.dispatchEvent(new CustomEvent("choose", { detail: id }));
  }
}

customElements.define("pofx-chooser", Chooser);
