// A point z of a latent space: a map where it has two coordinates, sliders where they can be counted, and otherwise only
// where it came from.

import { LitElement, css, html, nothing, svg } from "lit";
import { controlStyles } from "./control-styles.js";
import { paint } from "./picture.js";
import { shared } from "./styles.js";

/** Nearly all of a normal distribution. */
const REACH = 3;
/** Rows and columns of the pictures below a map. */
const ATLAS = 11;
/** More sliders than these help nobody. */
const MOST_SLIDERS = 64;
const MAP = 200;

/** The points whose pictures lie below a map, row by row. */
export const ATLAS_POINTS = Array.from({ length: ATLAS * ATLAS }, (_, i) => {
  const at = (/** @type {number} */ cell) => ((cell + 0.5) / ATLAS) * 2 * REACH - REACH;
  return Float32Array.of(at(i % ATLAS), -at(Math.floor(i / ATLAS)));
});

/**
 * `<pofx-latent>`: properties `size`, `values` (undefined: not set), `label`, `choice` (whether there is a picture that could
 * be encoded), `atlas` (pictures of ATLAS_POINTS, as many as there are); events `change` (detail: value) and `encode`.
 */
export class Latent extends LitElement {
  static properties = {
    size: { type: Number },
    values: { attribute: false },
    label: {},
    choice: { type: Boolean },
    atlas: { attribute: false },
  };

  static styles = [
    shared,
    controlStyles,
    css`
      :host {
        display: grid;
        gap: 0.9rem;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
      }
      .map {
        position: relative;
        width: min(100%, 22rem);
        aspect-ratio: 1;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--control);
        border-radius: 0.6rem;
        overflow: hidden;
      }
      .atlas {
        display: grid;
        grid-template-columns: repeat(11, 1fr);
        position: absolute;
        inset: 0;
        opacity: 0.75;
      }
      .atlas canvas {
        display: block;
        width: 100%;
        image-rendering: pixelated;
      }
      .atlas canvas.ink {
        filter: var(--pofx-ink-filter, none);
      }
      .map svg {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        cursor: crosshair;
        touch-action: none;
      }
      .map path {
        stroke: var(--line);
        fill: none;
      }
      .map .likely {
        fill: none;
        stroke: var(--accent);
        stroke-dasharray: 4 4;
      }
      .map .point {
        fill: var(--accent);
        stroke: var(--surface);
        stroke-width: 2;
      }
      .sliders {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr));
        gap: 0.2rem 1rem;
        max-height: 18rem;
        overflow-y: auto;
      }
      .sliders label {
        display: flex;
        align-items: center;
        gap: 0.6rem;
        font-weight: 400;
        font-variant-numeric: tabular-nums;
      }
      .sliders span {
        min-width: 1.6rem;
        color: var(--muted);
        font-size: 0.9375rem;
      }
    `,
  ];

  constructor() {
    super();
    this.size = 0;
    /** @type {Float32Array | undefined} */ this.values = undefined;
    this.label = "";
    this.choice = false;
    /** @type {import("./picture.js").Pixels[]} */ this.atlas = [];
  }

  render() {
    return html`
      ${this.size === 2 ? this.#map() : nothing}
      ${this.size <= MOST_SLIDERS ? this.#sliders() : html`<p class="help">${this.#summary()}</p>`}
      <div class="tools">
        <button type="button" ?disabled=${!this.choice} @click=${() => this.dispatchEvent(new CustomEvent("encode"))}>Encode the chosen picture</button>
        <button type="button" ?disabled=${!this.values} @click=${() => this.#tell(undefined)}>Not set</button>
      </div>
    `;
  }

  #summary() {
    if (!this.values) return `A point has ${this.size} coordinates: encode a picture to get one.`;
    const length = Math.hypot(...this.values);
    return `The point that the picture was encoded to: ${this.size} coordinates, length ${length.toFixed(1)} (noise: ${Math.sqrt(this.size).toFixed(1)}).`;
  }

  #map() {
    const at = (/** @type {number} */ v) => ((v / REACH + 1) / 2) * MAP;
    const [x, y] = this.values ?? [0, 0];
    const lines = [-2, -1, 0, 1, 2].map((v) => `M${at(v)} 0V${MAP}M0 ${at(v)}H${MAP}`).join("");
    return html`<div class="map">
      <div class="atlas" aria-hidden="true">${this.atlas.map(() => html`<canvas></canvas>`)}</div>
      <svg
        viewBox="0 0 ${MAP} ${MAP}"
        tabindex="0"
        role="application"
        aria-roledescription="map of two coordinates"
        aria-label="${this.label}: first coordinate ${x.toFixed(2)}, second ${y.toFixed(2)}. Arrow keys move the point."
        @pointerdown=${this.#onPointer}
        @pointermove=${this.#onPointer}
        @keydown=${this.#onKey}
      >
        ${svg`<path d=${this.atlas.length > 0 ? "" : lines}></path>
          <circle class="likely" cx=${MAP / 2} cy=${MAP / 2} r=${(MAP / 2 / REACH) * 2}></circle>
          <circle class="point" cx=${at(x)} cy=${at(-y)} r="7"></circle>`}
      </svg>
    </div>
    <p class="help">Inside the circle lie 86 % of all samples.</p>`;
  }

  updated() {
    this.renderRoot.querySelectorAll("canvas").forEach((canvas, i) => paint(canvas, this.atlas[i]));
  }

  #sliders() {
    const values = this.values ?? new Float32Array(this.size);
    return html`<div class="sliders" role="group" aria-label="${this.label}: coordinates">
      ${Array.from(
        values,
        (value, i) => html`<label>
          <span>${i + 1}</span>
          <input
            type="range"
            aria-label="${this.label}, coordinate ${i + 1}"
            min=${-REACH}
            max=${REACH}
            step="0.05"
            .value=${value.toFixed(2)}
            @input=${(/** @type {Event} */ e) => this.#move(i, Number(/** @type {HTMLInputElement} */ (e.target).value))}
          />
        </label>`,
      )}
    </div>`;
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    const map = /** @type {SVGElement} */ (event.currentTarget);
    if (event.buttons === 0) return;
    if (event.type === "pointerdown") map.setPointerCapture(event.pointerId);
    const box = map.getBoundingClientRect();
    const inside = (/** @type {number} */ share) => (Math.min(Math.max(share, 0), 1) * 2 - 1) * REACH;
    this.#tell(Float32Array.of(inside((event.clientX - box.x) / box.width), -inside((event.clientY - box.y) / box.height)));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const from = this.values ?? [0, 0];
    this.#tell(Float32Array.from(moves[event.key], (move, i) => Math.min(Math.max(from[i] + move, -REACH), REACH)));
  }

  /** @param {number} index @param {number} value */
  #move(index, value) {
    const values = Float32Array.from(this.values ?? new Float32Array(this.size));
    values[index] = value;
    this.#tell(values);
  }

  /** @param {Float32Array | undefined} value */
  #tell(value) {
    this.dispatchEvent(new CustomEvent("change", { detail: { value } }));
  }
}

customElements.define("pofx-latent", Latent);
