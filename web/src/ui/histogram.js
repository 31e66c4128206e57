// Where an answer lies among the scores of other pictures: two histograms and a line, and the same as a table.

import { LitElement, css, html, svg } from "lit";
import { nats, percent } from "./format.js";
import { disclosure, shared } from "./styles.js";

const BINS = 48;
const WIDTH = 480;
const HEIGHT = 120;
const SHARES = [1, 5, 25, 50, 75, 95, 99];

/** `<pofx-histogram>`: properties `heldOut` and `own` (ascending scores), `value`, and its `place` among them. */
export class Histogram extends LitElement {
  static properties = {
    heldOut: { attribute: false },
    own: { attribute: false },
    value: { attribute: false },
    place: { attribute: false },
  };

  static styles = [
    shared,
    disclosure,
    css`
      :host {
        display: block;
        font-size: 0.9375rem;
      }
      svg.chart {
        display: block;
        width: 100%;
        height: 7.5rem;
        border-bottom: 1px solid var(--control);
        overflow: visible;
      }
      .held {
        fill: var(--accent);
        opacity: 0.3;
      }
      .own {
        fill: none;
        stroke: var(--second);
        stroke-width: 1.75;
        vector-effect: non-scaling-stroke;
      }
      .mark {
        stroke: var(--text);
        stroke-width: 2.5;
        vector-effect: non-scaling-stroke;
      }
      .axis {
        display: flex;
        justify-content: space-between;
        color: var(--muted);
        font-variant-numeric: tabular-nums;
        margin: 0.2rem 0 0.4rem;
      }
      .legend {
        display: flex;
        flex-wrap: wrap;
        gap: 0.15rem 1.2rem;
        margin: 0;
        padding: 0;
        list-style: none;
        color: var(--muted);
      }
      .legend svg {
        width: 1.1rem;
        height: 0.8rem;
        margin-right: 0.4rem;
      }
      details {
        margin-top: 0.35rem;
      }
      table {
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 0.2rem 1.2rem 0.2rem 0;
        text-align: right;
        font-weight: 400;
        border-bottom: 1px solid var(--line);
      }
      thead th {
        color: var(--muted);
      }
      tbody th {
        text-align: left;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {number[]} */ this.heldOut = [];
    /** @type {number[]} */ this.own = [];
    /** @type {number | undefined} */ this.value = undefined;
    /** @type {import("../p-of-x.js").Estimate["place"] | undefined} */ this.place = undefined;
  }

  render() {
    const [from, to] = range(this.heldOut, this.own);
    return html`
      <svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${this.#summary()}>
        <path class="held" d="${outline(this.heldOut, from, to)} V${HEIGHT} H0 Z"></path>
        <path class="own" d=${outline(this.own, from, to)}></path>
        ${this.value === undefined ? "" : this.#mark(this.value, from, to)}
      </svg>
      <div class="axis" aria-hidden="true"><span>${nats(from)}</span><span>less likely ← log p(x) → more likely</span><span>${nats(to)}</span></div>
      <ul class="legend" aria-hidden="true">
        <li><svg viewBox="0 0 22 16"><rect class="held" width="22" height="16" rx="2" /></svg>held-out pictures</li>
        <li><svg viewBox="0 0 22 16"><path class="own" d="M0 13 H6 V4 H14 V10 H22" /></svg>own samples</li>
        <li><svg viewBox="0 0 22 16"><path class="mark" d="M11 0 V16" /></svg>this picture</li>
      </ul>
      <details>
        <summary>Show as a table</summary>
        ${this.#table()}
      </details>
    `;
  }

  /** @param {number} value @param {number} from @param {number} to */
  #mark(value, from, to) {
    const x = Math.min(Math.max(((value - from) / (to - from)) * WIDTH, 1), WIDTH - 1);
    return svg`<path class="mark" d="M${x} 0 V${HEIGHT}"></path>`;
  }

  #summary() {
    const median = (/** @type {number[]} */ scores) => nats(scores[Math.floor(scores.length / 2)] ?? NaN);
    const sets = `Histogram of log p(x): held-out test pictures around ${median(this.heldOut)} nats, the model’s own samples around ${median(this.own)} nats`;
    return this.value === undefined ? `${sets}.` : `${sets}, this picture at ${nats(this.value)} nats.`;
  }

  #table() {
    const at = (/** @type {number[]} */ scores, /** @type {number} */ share) => {
      return nats(scores[Math.min(Math.floor((scores.length * share) / 100), scores.length - 1)] ?? NaN);
    };
    const { value, place } = this;
    const share = (/** @type {number | null | undefined} */ of) => (of == null ? "–" : percent(of));
    return html`<table>
      <caption class="hidden">Scores in nats by percentile</caption>
      <thead>
        <tr><th scope="col">Percentile</th><th scope="col">Held-out</th><th scope="col">Own samples</th></tr>
      </thead>
      <tbody>
        ${SHARES.map(
          (share) => html`<tr><th scope="row">${share} %</th><td>${at(this.heldOut, share)}</td><td>${at(this.own, share)}</td></tr>`,
        )}
        ${value === undefined
          ? ""
          : html`<tr>
              <th scope="row">This picture (${nats(value)})</th>
              <td>${share(place?.held_out)}</td>
              <td>${share(place?.own)}</td>
            </tr>`}
      </tbody>
    </table>`;
  }
}

/** Where nearly all scores lie; outliers would flatten the rest. @param {number[]} a @param {number[]} b */
function range(a, b) {
  const low = Math.min(...[a, b].map((scores) => scores[Math.floor(scores.length * 0.002)] ?? -200));
  const high = Math.max(...[a, b].map((scores) => scores.at(-1) ?? 0));
  return [Math.floor(low / 10) * 10, Math.ceil(high / 10) * 10];
}

/** A step line over bins. @param {number[]} scores @param {number} from @param {number} to */
function outline(scores, from, to) {
  const counts = new Array(BINS).fill(0);
  for (const score of scores) {
    const bin = Math.floor(((score - from) / (to - from)) * BINS);
    if (bin >= 0) counts[Math.min(bin, BINS - 1)] += 1;
  }
  const top = Math.max(...counts, 1);
  const y = (/** @type {number} */ count) => (HEIGHT * (1 - (0.94 * count) / top)).toFixed(1);
  const steps = counts.map((count, i) => `V${y(count)} H${((i + 1) * WIDTH) / BINS}`);
  return `M0 ${HEIGHT} ${steps.join(" ")}`;
}

customElements.define("pofx-histogram", Histogram);
