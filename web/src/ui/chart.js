// What changes while models learn, against their steps: a chart, and the same numbers as a table.

import { LitElement, css, html, nothing, svg } from "lit";
import { part } from "../part.js";
import { spread } from "./spread.js";
import { disclosure, shared } from "./styles.js";
import { tables } from "./table-styles.js";

/** @typedef {{ title: string, unit: string, points: [number, number][] }} Line */

/** Told apart by colour and by dashes. */
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4], [14, 4]];
const COLOURS = ["--accent", "--second", "--good", "--bad", "--muted", "--text"];
/** The part that draws is loaded this far before the chart comes into view. */
const NEAR = "100px";
/** Most rows of the table for a line. */
const ROWS = 20;

/** `<pofx-chart>`: properties `lines`, `label`, and `even` (steps are spread evenly, not by their logarithm, which 0 has none of). */
export class Chart extends LitElement {
  static properties = { lines: { attribute: false }, label: {}, even: { type: Boolean }, near: { state: true }, opened: { state: true }, failed: { state: true } };

  static styles = [
    shared,
    disclosure,
    tables,
    css`
      .chart {
        height: 15rem;
        overflow: hidden;
      }
      .u-wrap {
        position: relative;
      }
      .u-over,
      .u-under,
      .u-axis {
        position: absolute;
      }
      .uplot canvas {
        display: block;
        position: relative;
        width: 100%;
        height: 100%;
      }
      .u-legend,
      .u-select,
      .u-cursor-x,
      .u-cursor-y,
      .u-cursor-pt {
        display: none;
      }
      .key {
        display: flex;
        flex-wrap: wrap;
        gap: 0.3rem 1.2rem;
        margin: 0.4rem 0;
        padding: 0;
        list-style: none;
      }
      .key svg {
        width: 2.2rem;
        height: 0.6rem;
        margin-right: 0.4rem;
      }
      .scroll {
        max-height: 24rem;
        overflow-y: auto;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Line[]} */ this.lines = [];
    this.label = "";
    this.even = false;
    /** Whether it has come near the view. */
    this.near = false;
    /** Whether the table is open. */
    this.opened = false;
    /** Whether what draws could not be loaded. */
    this.failed = false;
  }

  /** @type {import("uplot") | undefined} */ #plot;
  #shape = "";
  #resize = new ResizeObserver(() => this.#fit());
  #view = new IntersectionObserver((entries) => (this.near ||= entries.some(({ isIntersecting }) => isIntersecting)), { rootMargin: NEAR });

  connectedCallback() {
    super.connectedCallback();
    this.#view.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#view.disconnect();
    this.#resize.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#shape = "";
  }

  render() {
    return html`<div class="chart" role="img" aria-label="${this.label} against steps; the values are in the table below"></div>
      ${this.failed ? html`<p class="note">The chart could not be downloaded: the network did not answer. Its numbers are in the table below.</p>` : nothing}
      <ul class="key">
        ${this.lines.map(({ title }, i) => html`<li><svg viewBox="0 0 44 12" aria-hidden="true">${svg`<line x1="0" y1="6" x2="44" y2="6" stroke-width="3" stroke="var(${COLOURS[i % COLOURS.length]})" stroke-dasharray=${DASHES[i % DASHES.length].join(" ")} />`}</svg>${title}</li>`)}
      </ul>
      <details @toggle=${(/** @type {Event} */ { target }) => (this.opened = /** @type {HTMLDetailsElement} */ (target).open)}>
        <summary>Show as a table</summary>
        ${this.opened ? this.#renderTable() : nothing}
      </details>`;
  }

  #renderTable() {
    const row = (/** @type {Line} */ { title, unit, points }) =>
      spread(points, ROWS).map(([step, value]) => html`<tr><th scope="row">${title}</th><td class="number">${step}</td><td class="number">${value.toFixed(3)} ${unit}</td></tr>`);
    return html`<div class="scroll" tabindex="0" role="group" aria-label="${this.label} as a table">
        <table>
          <caption class="hidden">${this.label}</caption>
          <thead><tr><th scope="col">Model</th><th scope="col" class="number">Steps</th><th scope="col" class="number">${this.label}</th></tr></thead>
          <tbody>${this.lines.flatMap(row)}</tbody>
        </table>
      </div>
      ${this.lines.some(({ points }) => points.length > ROWS) ? html`<p class="note">Of a line with more points, ${ROWS} are listed, evenly spread, the first and the last among them.</p>` : nothing}`;
  }

  async updated() {
    if (!this.near || this.failed) return;
    const UPlot = await part(() => import("uplot")).then(({ default: UPlot }) => UPlot, () => void (this.failed = true));
    if (!UPlot) return;
    const place = /** @type {HTMLElement | null} */ (this.renderRoot.querySelector(".chart"));
    if (!this.isConnected || !place) return;
    const steps = [...new Set(this.lines.flatMap(({ points }) => points.map(([step]) => step)))].sort((a, b) => a - b);
    const columns = this.lines.map(({ points }) => {
      const known = new Map(points);
      return steps.map((step) => known.get(step) ?? null);
    });
    const data = /** @type {import("uplot").AlignedData} */ ([steps, ...columns]);
    const style = getComputedStyle(this);
    const shape = `${this.lines.map(({ title }) => title)} ${style.color}`;
    if (shape === this.#shape) return this.#plot?.setData(data);
    this.#shape = shape;
    this.#plot?.destroy();
    const axis = { stroke: style.color, grid: { stroke: style.getPropertyValue("--pofx-line") || "#8884" } };
    const resolved = (/** @type {string} */ name) => {
      place.style.color = `var(${name})`;
      const { color } = getComputedStyle(place);
      place.style.color = "";
      return color;
    };
    const series = this.lines.map(({ title }, i) => ({
      label: title,
      stroke: resolved(COLOURS[i % COLOURS.length]),
      dash: DASHES[i % DASHES.length],
      width: 2,
      spanGaps: true,
    }));
    axis.grid.stroke = resolved("--line");
    this.#plot = new UPlot({ width: place.clientWidth || 300, height: 235, legend: { show: false }, scales: { x: { time: false, distr: this.even ? 1 : 3 } }, axes: [axis, { ...axis, size: 56 }], series: [{}, ...series] }, data, place);
    this.#resize.observe(place);
  }

  #fit() {
    const place = this.renderRoot.querySelector(".chart");
    if (place?.clientWidth) this.#plot?.setSize({ width: place.clientWidth, height: 235 });
  }
}

customElements.define("pofx-chart", Chart);
