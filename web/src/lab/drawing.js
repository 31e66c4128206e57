// Points that are drawn by hand, to learn from.

import { LitElement, css, html } from "lit";
import { shared } from "../ui/styles.js";
import "./plane.js";

/** `<pofx-lab-drawing>`: property `window`. Events: `drawn` (detail: x1, x2, x1, x2, .. as a Float32Array), `cancel`. */
export class Drawing extends LitElement {
  static properties = { window: { attribute: false }, points: { state: true }, at: { state: true } };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        max-width: 30rem;
        margin-top: 1rem;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        margin-bottom: 0.8rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {import("./plane.js").Window} */ this.window = { x: [0, 1], y: [0, 1] };
    /** @type {number[]} */ this.points = [];
    /** Where the keys draw. @type {[number, number] | undefined} */ this.at = undefined;
  }

  render() {
    const { x, y } = this.window;
    return html`<div class="tools">
        <button class="primary" type="button" @click=${() => this.#tell("drawn", Float32Array.from(this.points))}>Learn these ${this.points.length / 2} points</button>
        <button type="button" @click=${() => this.#tell("cancel")}>Cancel</button>
      </div>
      <pofx-plane
        drawing
        .window=${this.window}
        .train=${this.points}
        .probe=${this.at ?? [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2]}
        label="Points are drawn here: with the pointer, or with the arrow keys and Enter; Delete takes the nearest away."
        @add=${(/** @type {CustomEvent<[number, number]>} */ { detail }) => (this.points = [...this.points, ...detail])}
        @erase=${this.#onErase}
        @probe=${(/** @type {CustomEvent<[number, number]>} */ { detail }) => (this.at = detail)}
      ></pofx-plane>`;
  }

  /** Takes away the point that is nearest. @param {CustomEvent<[number, number]>} event */
  #onErase({ detail: [a, b] }) {
    const far = (/** @type {number} */ i) => Math.hypot(this.points[2 * i] - a, this.points[2 * i + 1] - b);
    const [nearest] = [...Array(this.points.length / 2).keys()].sort((i, j) => far(i) - far(j));
    this.points = this.points.filter((_, i) => i >> 1 !== nearest);
  }

  /** @param {string} name @param {Float32Array} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("pofx-lab-drawing", Drawing);
