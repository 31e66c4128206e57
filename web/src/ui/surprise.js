// Which pixels the model did not expect: a heat map with a legend, a sentence, and a table.

import { LitElement, css, html } from "lit";
import { HEAT_STOPS, SIDE } from "./picture.js";
import { shared } from "./styles.js";

/** `<pofx-surprise>`: property `terms`, 784 numbers: -log p of each pixel, in nats. */
export class Surprise extends LitElement {
  static properties = { terms: { attribute: false }, open: { state: true } };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        font-size: 0.9375rem;
      }
      .legend {
        display: grid;
        grid-template-columns: auto 1fr auto;
        align-items: center;
        gap: 0.5rem;
        margin-top: 0.5rem;
        color: var(--muted);
        font-variant-numeric: tabular-nums;
      }
      .ramp {
        height: 0.7rem;
        border: 1px solid var(--line);
        border-radius: 0.35rem;
        filter: var(--pofx-heat-filter, none);
      }
      p {
        margin: 0.4rem 0 0;
        color: var(--muted);
        min-height: 3em;
      }
      summary {
        width: fit-content;
        padding-block: 0.35rem;
        color: var(--accent);
        cursor: pointer;
      }
      .scroll {
        overflow: auto;
        max-height: 16rem;
        border: 1px solid var(--line);
        border-radius: 0.5rem;
      }
      table {
        border-collapse: collapse;
        font: 0.75rem/1.5 var(--sans);
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 0 0.4rem;
        text-align: right;
        font-weight: 400;
      }
      th {
        color: var(--muted);
        background: var(--sunken);
      }
    `,
  ];

  constructor() {
    super();
    /** @type {number[] | undefined} */ this.terms = undefined;
    this.open = false;
  }

  render() {
    const max = this.terms ? Math.max(...this.terms, 0.1) : 1;
    return html`
      <pofx-picture heat .values=${this.terms} .max=${max} .label=${this.#sentence()}></pofx-picture>
      <div class="legend" aria-hidden="true"><span>0</span><span class="ramp"></span><span>${this.terms ? max.toFixed(1) : "–"} nats</span></div>
      <p>${this.#sentence()}</p>
      <details @toggle=${this.#onToggle}>
        <summary>All ${SIDE * SIDE} pixels as a table</summary>
        ${this.open && this.terms ? this.#table(this.terms) : ""}
      </details>
    `;
  }

  firstUpdated() {
    // Set here and not in the template: a strict policy refuses style attributes, but not this.
    const ramp = this.renderRoot.querySelector(".ramp");
    if (ramp instanceof HTMLElement) ramp.style.background = `linear-gradient(to right, ${HEAT_STOPS})`;
  }

  #sentence() {
    if (!this.terms) return "";
    const order = [...this.terms.keys()].sort((a, b) => (this.terms?.[b] ?? 0) - (this.terms?.[a] ?? 0));
    const total = this.terms.reduce((sum, term) => sum + term, 0);
    let sum = 0;
    const half = order.findIndex((i) => (sum += this.terms?.[i] ?? 0) >= total / 2) + 1;
    const [row, column] = [Math.floor(order[0] / SIDE) + 1, (order[0] % SIDE) + 1];
    const most = this.terms[order[0]].toFixed(1);
    const few = half === 1 ? "One pixel holds" : `${half} of ${SIDE * SIDE} pixels hold`;
    return `${few} half of the surprise; the largest is ${most} nats, in row ${row}, column ${column}.`;
  }

  /** @param {number[]} terms */
  #table(terms) {
    const columns = Array.from({ length: SIDE }, (_, i) => i);
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Surprise of each pixel">
      <table>
        <caption class="hidden">Surprise of each pixel, in nats</caption>
        <thead>
          <tr><th scope="col"><span class="hidden">Row</span></th>${columns.map((x) => html`<th scope="col">${x + 1}</th>`)}</tr>
        </thead>
        <tbody>
          ${columns.map(
            (y) => html`<tr><th scope="row">${y + 1}</th>${columns.map((x) => html`<td>${terms[y * SIDE + x].toFixed(2)}</td>`)}</tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }

  /** @param {Event} event */
  #onToggle(event) {
    this.open = /** @type {HTMLDetailsElement} */ (event.target).open;
  }
}

customElements.define("pofx-surprise", Surprise);
