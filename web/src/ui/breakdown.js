// What an answer is made of: the picture that was scored, the surprise of its pixels, and the parts of the bound.

import { LitElement, css, html, nothing, svg } from "lit";
import { answerable, isBinary } from "./card.js";
import { nats } from "./format.js";
import { disclosure, shared } from "./styles.js";
import "./picture.js";
import "./surprise.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */

const BAR_WIDTH = 200;

/** `<pofx-breakdown>`: properties `estimate`, `card`. */
export class Breakdown extends LitElement {
  static properties = { estimate: { attribute: false }, card: { attribute: false } };

  static styles = [
    shared,
    disclosure,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 12rem) minmax(0, 12rem) minmax(0, 1fr);
        gap: 1.4rem 1.8rem;
        margin-top: 1.6rem;
        padding-top: 1.2rem;
        border-top: 1px solid var(--line);
      }
      h3 {
        margin: 0 0 0.55rem;
        font: 500 1rem/1.4 var(--sans);
      }
      table {
        width: 100%;
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 0.45rem 0;
        border-bottom: 1px solid var(--line);
        font-weight: 400;
        text-align: left;
        vertical-align: top;
      }
      tr.sum th,
      tr.sum td {
        font-weight: 600;
      }
      td.number {
        width: 4.5rem;
        text-align: right;
        padding-right: 1rem;
      }
      td.bar {
        width: 34%;
        padding-top: 0.75rem;
      }
      td.bar svg {
        display: block;
        width: 100%;
        height: 0.75rem;
      }
      small {
        display: block;
        color: var(--muted);
        font-size: 0.9375rem;
        font-weight: 400;
      }
      .recon {
        fill: var(--accent);
      }
      .kl {
        fill: var(--second);
      }
      .total {
        fill: var(--muted);
      }
      ul {
        margin: 0.5rem 0 0;
        padding-left: 1.1em;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .notes {
        min-height: 4.6em;
      }
      summary {
        font-size: 0.9375rem;
      }
      @container pofx (max-width: 52rem) {
        :host {
          grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
        }
        .parts {
          grid-column: 1 / -1;
        }
      }
      @container pofx (max-width: 40rem) {
        :host {
          gap: 1.4rem 1rem;
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** @type {import("../card.d.ts").Card | undefined} */ this.card = undefined;
  }

  render() {
    const e = this.estimate;
    return html`
      <section>
        <h3>What was scored</h3>
        <pofx-picture .pixels=${e && scoredPixels(e)} .label=${e ? describe(e) : "No picture yet"}></pofx-picture>
        <div class="notes">${e ? this.#notes(e) : nothing}</div>
      </section>
      <section>
        <h3>Surprise of each pixel</h3>
        ${e && e.terms.length === 0
          ? html`<p>This estimator gives one number for the whole picture.</p>`
          : html`<pofx-surprise .terms=${e?.terms} .width=${e?.scored.width ?? 28} .height=${e?.scored.height ?? 28}></pofx-surprise>`}
      </section>
      <section class="parts">
        <h3>Where the number comes from</h3>
        ${!answerable(this.card).parts || (e && !e.parts) ? html`<p>${e ? `${nats(e.nats)} nats (${e.estimator})${surprises(e)}.` : "No answer yet."}</p>` : this.#parts()}
        <details>
          <summary>What it rests on</summary>
          <ul>
            ${(e?.assumptions ?? ["No answer yet."]).map((assumption) => html`<li>${assumption}</li>`)}
            ${e && Number.isFinite(e.bits_per_dim) ? html`<li>${e.bits_per_dim.toFixed(3)} bits per value of the picture.</li>` : nothing}
          </ul>
        </details>
      </section>
    `;
  }

  /** @param {Estimate} e */
  #notes(e) {
    const size = `${e.scored.width} × ${e.scored.height} pixels`;
    const drawn = isBinary(this.card) ? `${size}, black or white; greys were decided by chance with seed ${e.scored.seed}.` : `${size}.`;
    return html`<ul>${[...e.scored.notices, drawn].map((note) => html`<li>${note}</li>`)}</ul>`;
  }

  #parts() {
    const e = this.estimate;
    const { reconstruction, kl, elbo } = e?.parts ?? { reconstruction: NaN, kl: NaN, elbo: NaN };
    const total = e?.nats ?? NaN;
    const scale = BAR_WIDTH / Math.max(-elbo || 1, -total || 1);
    const bar = (/** @type {string} */ name, /** @type {number} */ from, /** @type {number} */ to) => {
      if (!Number.isFinite(to)) return nothing;
      return svg`<rect class=${name} x=${-from * scale} width=${Math.max((from - to) * scale, 0)} height="16" rx="2"></rect>`;
    };
    const [given, price] = answerable(this.card).parts ?? ["", ""];
    /** @type {[string, string, string, number, unknown][]} */
    const rows = [
      ["", "Reconstruction", given, reconstruction, bar("recon", 0, reconstruction)],
      ["", "− KL", price, -kl, bar("kl", reconstruction, reconstruction - kl)],
      ["sum", "= ELBO", "the lower bound", elbo, bar("total", 0, elbo)],
    ];
    if (total !== elbo) rows.push(["sum", e?.estimator ?? "IWAE", "a tighter one, from many codes", total, bar("total", 0, total)]);
    return html`<table>
      <caption class="hidden">Parts of the estimate, in nats</caption>
      <thead class="hidden">
        <tr><th scope="col">Part</th><th scope="col">Nats</th><th scope="col">Bar</th></tr>
      </thead>
      <tbody>
        ${rows.map(
          ([kind, name, meaning, value, drawn]) => html`<tr class=${kind}>
            <th scope="row">${name} <small>${meaning}</small></th>
            <td class="number">${nats(value)}</td>
            <td class="bar"><svg viewBox="0 0 ${BAR_WIDTH} 16" preserveAspectRatio="none" aria-hidden="true">${drawn}</svg></td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }
}

/** What the surprises of the pixels are to the number. @param {Estimate} e */
function surprises({ terms, nats: value }) {
  if (terms.length === 0) return "";
  const sum = terms.reduce((all, term) => all + term, 0);
  if (Math.abs(sum + value) < 1e-3 * Math.abs(value)) return ": the sum of the surprises";
  return `. The surprises are those given the likeliest code alone: they sum to ${nats(sum)} nats`;
}

/** @param {Estimate} e */
function scoredPixels({ scored: { pixels, width, height, channels } }) {
  return { data: pixels, width, height, channels };
}

/** @param {Estimate} e */
function describe({ scored: { pixels, width, height, channels } }) {
  const ink = pixels.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
  const size = `The scored picture: ${width} by ${height} pixels`;
  return channels === 1 ? `${size}, ${ink} of them ink` : size;
}

customElements.define("pofx-breakdown", Breakdown);
