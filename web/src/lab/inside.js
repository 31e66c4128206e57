// What only one family has to show: a Gaussian's landscape, the posterior of a VAE, the folded plane of a GAN and
// its discriminator, the particles of a diffusion, two tokens as bars.

import { LitElement, css, html, nothing, svg } from "lit";
import { nats } from "../ui/format.js";
import { disclosure, shared } from "../ui/styles.js";
import { fields } from "../ui/field-styles.js";
import { heat } from "../ui/picture.js";
import { tables } from "../ui/table-styles.js";
import { tablesOf } from "./inside-tables.js";
import { DEPTH, paintField, scaleOf } from "./plane.js";

/** @typedef {import("../lab-api.js").Picture} Picture */
/** @typedef {import("./entry.js").Entry} Entry */

const SIDE = 200;
/** Length of the longest arrow. */
const PUSH = 24;

/** `<pofx-inside>`: properties `entry`, `window`, `axes`, `version`. Event: `time` (detail: from 0 to 1). */
export class Inside extends LitElement {
  static properties = { entry: { attribute: false }, window: { attribute: false }, axes: { attribute: false }, version: { type: Number }, opened: { state: true } };

  static styles = [
    shared,
    disclosure,
    fields,
    tables,
    css`
      :host {
        margin: 0;
      }
      .scroll {
        max-height: 20rem;
        overflow: auto;
      }
      caption {
        padding-top: 0.6rem;
        color: var(--muted);
        text-align: left;
        text-wrap: pretty;
      }
      td,
      th {
        white-space: nowrap;
      }
      figure {
        position: relative;
        margin: 0;
        max-width: 18rem;
      }
      .square {
        position: relative;
        aspect-ratio: 1;
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        overflow: hidden;
        background: var(--pofx-paper, #fff);
      }
      canvas,
      .square svg {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
      }
      canvas {
        filter: var(--pofx-heat-filter, none);
      }
      figcaption {
        margin-top: 0.4rem;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .mark {
        fill: none;
        stroke: var(--text);
        stroke-width: 1.5;
      }
      .dots {
        fill: var(--accent);
      }
      .score {
        stroke: var(--text);
        stroke-width: 0.6;
      }
      .cell {
        stroke: var(--muted);
        stroke-width: 0.3;
      }
      .bar {
        fill: var(--accent);
      }
      input {
        width: 100%;
        min-height: 2rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Entry | undefined} */ this.entry = undefined;
    this.window = { x: [0, 1], y: [0, 1] };
    /** @type {[string, string]} */ this.axes = ["x1", "x2"];
    this.version = 0;
    /** Whether the tables are open. */
    this.opened = false;
  }

  render() {
    const picture = this.entry?.picture;
    if (!picture) return nothing;
    return html`${this.#picture(picture)}
      <details @toggle=${(/** @type {Event} */ { target }) => (this.opened = /** @type {HTMLDetailsElement} */ (target).open)}>
        <summary>Show as tables</summary>
        ${this.opened ? this.#renderTables(picture) : nothing}
      </details>`;
  }

  /** @param {Picture} picture */
  #renderTables(picture) {
    const { window, axes, entry } = this;
    const tables = tablesOf(entry?.form.family ?? "", picture, { window: /** @type {any} */ (window), axes, axis: this.#axis, field: entry?.field });
    return tables.map(
      ({ title, head, rows }) => html`<div class="scroll" tabindex="0" role="group" aria-label=${title}>
        <table>
          <caption>${title}</caption>
          <thead><tr>${head.map((name, i) => (name ? html`<th scope="col" class=${i > 0 ? "number" : ""}>${name}</th>` : html`<td></td>`))}</tr></thead>
          <tbody>${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td class="number">${cell}</td>`)}</tr>`)}</tbody>
        </table>
      </div>`,
    );
  }

  /** @param {Picture} picture */
  #picture(picture) {
    switch (this.entry?.form.family) {
      case "gaussian":
        return html`${this.#square(this.#climb(picture), `Mean log p over the mean (across) and the log of the standard deviation (up) of ${this.axes[this.#axis]}, and the optimiser’s way on it.`)}
          <label>Coordinate <select @change=${this.#onTime}>
            ${this.axes.map((name, i) => html`<option value=${i} ?selected=${i === this.#axis}>${name}</option>`)}
          </select></label>`;
      case "vae":
        return this.#square(this.#posterior(picture), this.#gap(picture));
      case "gan":
        return html`${this.#square(this.#folds(picture), "The plane of z as the generator folds it over the data: the darker a cell, the denser its samples. Where sheets overlap, their densities add up.")}
          ${this.#square(this.#pushes(picture), "How much more real than a typical sample the discriminator finds each place, and where it pushes some samples.")}`;
      case "diffusion":
        return html`${this.#square(this.#particles(picture), this.#running(picture))}
          <label>Time, from data to noise
            <input type="range" min="0" max="1" step="0.02" .value=${String(this.entry.time)} @input=${this.#onTime} />
          </label>`;
      case "transformer":
        return html`${this.#bars(picture.first, "p(x1), bin by bin")}${this.#bars(picture.second, "p(x2 | x1 of the probe), bin by bin")}`;
      case "mixture":
        return this.#square(this.#ellipses(picture), "The components, each as the ellipse of one standard deviation.");
      case "kernel":
        return html`<p>Bandwidth h: ${[...picture.bandwidth.values].map((v) => v.toPrecision(3)).join(" and ")} in the units of the two coordinates.</p>`;
      default:
        return html`<p>Nothing is learned here: this is the density that the points were drawn from.</p>`;
    }
  }

  /** The coordinate that a Gaussian's landscape is of. */
  get #axis() {
    return (this.entry?.time ?? 0) >= 0.5 ? 1 : 0;
  }

  updated() {
    const canvas = [...this.renderRoot.querySelectorAll("canvas")].at(-1);
    const picture = this.entry?.picture;
    const layer = picture?.landscape ?? picture?.posterior ?? picture?.discriminator ?? picture?.field;
    const shallow = picture?.landscape || picture?.discriminator;
    if (canvas && layer) paintField(canvas, { n: layer.shape[0], values: layer.values }, shallow ? 3 : undefined);
  }

  /** @param {unknown} marks @param {string} caption */
  #square(marks, caption) {
    return html`<figure>
      <div class="square" role="img" aria-label=${caption}><canvas></canvas><svg viewBox="0 0 ${SIDE} ${SIDE}" aria-hidden="true">${marks}</svg></div>
      <figcaption>${caption}</figcaption>
    </figure>`;
  }

  /** @param {Picture} picture */
  #climb({ "landscape range": { values: r }, climb }) {
    const at = scaleOf({ x: [r[0], r[1]], y: [r[2], r[3]] }, SIDE);
    return svg`<polyline class="mark" points=${way(climb.values, at)} />`;
  }

  /** @param {Picture} picture */
  #posterior({ q: { values: q } }) {
    const at = scaleOf({ x: [-4, 4], y: [-4, 4] }, SIDE);
    const [x, y] = at(q[0], q[1]);
    const scale = SIDE / 8;
    return svg`<ellipse class="mark" cx=${x} cy=${y} rx=${2 * q[2] * scale} ry=${2 * q[3] * scale} />`;
  }

  /** @param {Picture} picture */
  #gap({ bound: { values: b } }) {
    return `The posterior p(z | x) of the probe, and q(z | x) as the ellipse of two standard deviations. ELBO ${nats(b[0])}, log p(x) ${nats(b[1])}: the gap of ${b[2].toFixed(2)} nats is KL(q, p).`;
  }

  /** @param {Picture} picture */
  #folds({ "mesh points": { shape: [side], values }, "mesh density": { values: density } }) {
    const at = scaleOf(/** @type {any} */ (this.window), SIDE);
    const corner = (/** @type {number} */ i) => at(values[2 * i], values[2 * i + 1]).map((v) => v.toFixed(1)).join(",");
    const cells = side - 1;
    const order = [...density.keys()].sort((a, b) => density[a] - density[b]);
    // A cell that is folded to nearly nothing is as dense as can be: it must not pale all others.
    const top = density[order[Math.floor(0.98 * (order.length - 1))]];
    return order.map((cell) => {
      const i = Math.floor(cell / cells) * side + (cell % cells);
      const t = Math.max(0, Math.min(1, 1 + (density[cell] - top) / DEPTH));
      return svg`<polygon class="cell" fill="rgb(${heat(0.85 * t).join(" ")})" points="${corner(i)} ${corner(i + 1)} ${corner(i + side + 1)} ${corner(i + side)}" />`;
    });
  }

  /** @param {Picture} picture */
  #pushes({ "fake points": { values }, "push vectors": { values: pushes } }) {
    const at = scaleOf(/** @type {any} */ (this.window), SIDE);
    const n = values.length / 2;
    const size = (/** @type {number} */ i) => Math.hypot(pushes[2 * i], pushes[2 * i + 1]);
    const most = Math.max(1e-9, ...Array.from({ length: n }, (_, i) => size(i)));
    return Array.from({ length: n }, (_, i) => {
      const [x, y] = at(values[2 * i], values[2 * i + 1]);
      const long = PUSH / most;
      return svg`<circle class="dots" cx=${x} cy=${y} r="2" /><line class="mark" x1=${x} y1=${y} x2=${x + long * pushes[2 * i]} y2=${y - long * pushes[2 * i + 1]} />`;
    });
  }

  /** @param {Picture} picture */
  #particles(picture) {
    const at = scaleOf(/** @type {any} */ (this.window), SIDE);
    const { shape, values } = picture["particle points"];
    const [n, steps] = shape;
    const step = Math.round((1 - (this.entry?.time ?? 0)) * (steps - 1));
    const dots = Array.from({ length: n }, (_, i) => at(values[2 * (i * steps + step)], values[2 * (i * steps + step) + 1]));
    const path = picture["path points"].values;
    const now = this.#now(path.length / 2);
    const [x, y] = at(path[2 * now], path[2 * now + 1]);
    return svg`${this.#scores(picture)}
      ${dots.map(([x, y]) => svg`<circle class="dots" cx=${x} cy=${y} r="2" />`)}
      <polyline class="mark" points=${way(path, at)} /><circle class="mark" cx=${x} cy=${y} r="4" />`;
  }

  /** The step of a way from data to noise at which the time is now. @param {number} places */
  #now(places) {
    return Math.round((this.entry?.time ?? 0) * (places - 1));
  }

  /** The score in the middles of coarse cells. @param {Picture} picture */
  #scores({ "score vectors": { shape: [n], values } }) {
    const cell = SIDE / n;
    return Array.from({ length: n * n }, (_, i) => {
      const [a, b] = [values[2 * i], values[2 * i + 1]];
      const size = Math.hypot(a, b);
      const long = (0.8 * cell * size) / (size + 2);
      const [x, y] = [cell * ((i % n) + 0.5), cell * (Math.floor(i / n) + 0.5)];
      return size > 0 ? svg`<line class="score" x1=${x} y1=${y} x2=${x + (long * a) / size} y2=${y - (long * b) / size} />` : nothing;
    });
  }

  /** @param {Picture} picture */
  #running({ "path log_p": { values } }) {
    const here = values[this.#now(values.length)];
    return `The density at this time, its score as arrows, samples on their way, and the probe’s path to noise. Followed up to here, its log p is ${nats(here, 2)} nats: that of the noise, and the sum of the divergence on the way. All the way it is ${nats(values[values.length - 1], 2)}.`;
  }

  /** @param {Picture} picture */
  #ellipses({ ellipses: { values } }) {
    const at = scaleOf(/** @type {any} */ (this.window), SIDE);
    const rows = Array.from({ length: values.length / 6 }, (_, i) => values.subarray(6 * i, 6 * i + 6));
    return rows.map(([weight, m1, m2, a, b, c]) => {
      // The ellipse is the unit circle under the root of the covariance.
      const l11 = Math.sqrt(a);
      const l21 = b / l11;
      const l22 = Math.sqrt(Math.max(c - l21 * l21, 0));
      const points = Array.from({ length: 33 }, (_, i) => {
        const [s, t] = [Math.cos((i / 16) * Math.PI), Math.sin((i / 16) * Math.PI)];
        return at(m1 + l11 * s, m2 + l21 * s + l22 * t).join(",");
      });
      return svg`<polyline class="mark" stroke-opacity=${Math.max(0.25, Math.min(1, 4 * weight))} points=${points.join(" ")} />`;
    });
  }

  /** @param {{ values: Float32Array }} layer @param {string} caption */
  #bars({ values }, caption) {
    const top = Math.max(...values, 1e-9);
    const wide = SIDE / values.length;
    const bar = (/** @type {number} */ p, /** @type {number} */ i) => svg`<rect class="bar" x=${i * wide} y=${60 - (58 * p) / top} width=${wide} height=${(58 * p) / top} />`;
    return html`<figure>
      <svg viewBox="0 0 ${SIDE} 60" role="img" aria-label="${caption}; the likeliest bin has ${(100 * top).toFixed(1)} %">${Array.from(values, bar)}</svg>
      <figcaption>${caption}; the likeliest has ${(100 * top).toFixed(1)}&nbsp;%.</figcaption>
    </figure>`;
  }

  /** @param {Event} event */
  #onTime(event) {
    this.dispatchEvent(new CustomEvent("time", { detail: Number(/** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value) }));
  }
}

/** @param {Float32Array} values @param {(a: number, b: number) => [number, number]} at */
function way(values, at) {
  return Array.from({ length: values.length / 2 }, (_, i) => at(values[2 * i], values[2 * i + 1]).map((v) => v.toFixed(1)).join(",")).join(" ");
}

customElements.define("pofx-inside", Inside);
