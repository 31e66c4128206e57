// Which pixels the model did not expect: a heat map with a legend, a sentence, and a table.

import { LitElement, css, html } from "lit";
import { HEAT_STOPS } from "./picture.js";
import { disclosure, shared } from "./styles.js";

/** `<pofx-surprise>`: properties `terms`, -log p of each value of a picture in nats, and `width` of the picture in pixels, `height`. */
export class Surprise extends LitElement {
  static properties = {
    terms: { attribute: false },
    width: { type: Number },
    height: { type: Number },
    open: { state: true },
  };

  static styles = [
    shared,
    disclosure,
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
    /** @type {ArrayLike<number> | undefined} */ this.terms = undefined;
    this.width = 28;
    this.height = 28;
    this.open = false;
  }

  /** Surprise of each pixel: the sum over its channels. */
  get #pixels() {
    const { terms, width, height } = this;
    if (!terms) return undefined;
    const channels = terms.length / (width * height);
    return Array.from({ length: width * height }, (_, i) => {
      let sum = 0;
      for (let c = 0; c < channels; c += 1) sum += terms[i * channels + c];
      return sum;
    });
  }

  render() {
    const { width, height } = this;
    const data = this.#pixels;
    const max = data ? Math.max(...data, 0.1) : 1;
    const sentence = data ? this.#sentence(data) : "";
    return html`
      <pofx-picture heat .pixels=${data && { data, width, height, channels: 1, max }} .label=${sentence || "No answer yet"}></pofx-picture>
      <div class="legend" aria-hidden="true"><span>0</span><span class="ramp"></span><span>${data ? max.toFixed(1) : "–"} nats</span></div>
      <p>${sentence}</p>
      <details @toggle=${this.#onToggle}>
        <summary>All ${width * height} pixels as a table</summary>
        ${this.open && data ? this.#table(data) : ""}
      </details>
    `;
  }

  firstUpdated() {
    // Set here and not in the template: a strict policy refuses style attributes, but not this.
    const ramp = this.renderRoot.querySelector(".ramp");
    if (ramp instanceof HTMLElement) ramp.style.background = `linear-gradient(to right, ${HEAT_STOPS})`;
  }

  /** @param {number[]} data */
  #sentence(data) {
    const { width } = this;
    const order = [...data.keys()].sort((a, b) => data[b] - data[a]);
    const total = data.reduce((sum, term) => sum + term, 0);
    let sum = 0;
    const half = order.findIndex((i) => (sum += data[i]) >= total / 2) + 1;
    const [row, column] = [Math.floor(order[0] / width) + 1, (order[0] % width) + 1];
    const few = half === 1 ? "One pixel holds" : `${half} of ${data.length} pixels hold`;
    return `${few} half of the surprise; the largest is ${data[order[0]].toFixed(1)} nats, in row ${row}, column ${column}.`;
  }

  /** @param {number[]} data */
  #table(data) {
    const { width, height } = this;
    const columns = Array.from({ length: width }, (_, i) => i);
    const rows = Array.from({ length: height }, (_, i) => i);
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Surprise of each pixel">
      <table>
        <caption class="hidden">Surprise of each pixel, in nats</caption>
        <thead>
          <tr><th scope="col"><span class="hidden">Row</span></th>${columns.map((x) => html`<th scope="col">${x + 1}</th>`)}</tr>
        </thead>
        <tbody>
          ${rows.map(
            (y) => html`<tr><th scope="row">${y + 1}</th>${columns.map((x) => html`<td>${data[y * width + x].toFixed(2)}</td>`)}</tr>`,
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
