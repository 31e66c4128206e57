// Which pixels of a picture to keep and which to fill anew: painted with a brush, by pointer or by keyboard.

import { LitElement, css, html } from "lit";
import { shared } from "./styles.js";
import { paint } from "./picture.js";

/** @typedef {import("./picture.js").Pixels} Pixels */

/**
 * `<pofx-mask>`: properties `size` (of a side), `values` (1 keep, 0 fill; undefined: no mask), `picture` (a File or Pixels,
 * shown below), `label`; event `change` (detail: value).
 */
export class Mask extends LitElement {
  static properties = {
    size: { type: Number },
    values: { attribute: false },
    picture: { attribute: false },
    label: {},
    keeping: { state: true },
    cursor: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .area {
        display: flex;
        flex-wrap: wrap;
        gap: 1rem;
      }
      .frame {
        position: relative;
        width: min(100%, 16rem);
        aspect-ratio: 1;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--control);
        border-radius: 0.5rem;
        overflow: hidden;
      }
      canvas,
      img {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        image-rendering: pixelated;
      }
      canvas.ink {
        filter: var(--pofx-ink-filter, none);
      }
      .holes {
        cursor: crosshair;
        touch-action: none;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        align-content: flex-start;
        flex: 1 1 9rem;
      }
      button[aria-pressed="true"] {
        background: var(--tint);
        border-color: var(--accent);
      }
      p {
        margin: 0;
        flex-basis: 100%;
        color: var(--muted);
        font-size: 0.9375rem;
      }
    `,
  ];

  /** The address of the file that is shown. @type {string | undefined} */ #url;

  constructor() {
    super();
    this.size = 28;
    /** @type {Uint8Array | undefined} */ this.values = undefined;
    /** @type {File | Pixels | undefined} */ this.picture = undefined;
    this.label = "Mask";
    /** What the brush does. */
    this.keeping = false;
    /** Where the keyboard's brush is. @type {{ x: number, y: number } | undefined} */ this.cursor = undefined;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = undefined;
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("picture")) return;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = this.picture instanceof Blob ? URL.createObjectURL(this.picture) : undefined;
  }

  render() {
    const brush = (/** @type {boolean} */ keeping, /** @type {string} */ text) =>
      html`<button type="button" aria-pressed=${this.keeping === keeping} @click=${() => (this.keeping = keeping)}>${text}</button>`;
    const { size } = this;
    return html`<div class="area">
      <div class="frame">
        ${this.#url ? html`<img src=${this.#url} alt="" />` : html`<canvas class="below" aria-hidden="true"></canvas>`}
        <canvas
          class="holes"
          width=${size}
          height=${size}
          tabindex="0"
          role="application"
          aria-roledescription="brush"
          aria-label=${this.#describe()}
          @pointerdown=${this.#onPointer}
          @pointermove=${this.#onPointer}
          @keydown=${this.#onKey}
          @blur=${() => (this.cursor = undefined)}
        ></canvas>
      </div>
      <div class="tools">
        ${brush(false, "Brush: fill")} ${brush(true, "Brush: keep")}
        <button type="button" @click=${() => this.#half()}>Keep the top half</button>
        <button type="button" ?disabled=${!this.values} @click=${() => this.#tell(undefined)}>No mask</button>
        <p>What is hatched is drawn anew; the rest of the picture stays as it is.</p>
      </div>
    </div>`;
  }

  updated() {
    const below = this.renderRoot.querySelector(".below");
    if (below instanceof HTMLCanvasElement && !(this.picture instanceof Blob)) paint(below, this.picture);
    const holes = this.renderRoot.querySelector(".holes");
    if (holes instanceof HTMLCanvasElement) this.#paintHoles(holes);
  }

  /** @param {HTMLCanvasElement} canvas */
  #paintHoles(canvas) {
    const context = canvas.getContext("2d");
    if (!context) return;
    const { size, values } = this;
    const image = context.createImageData(size, size);
    for (let i = 0; values && i < size * size; i += 1) {
      const dark = (Math.floor(i / size) + (i % size)) % 2 === 0;
      if (!values[i]) image.data.set(dark ? [164, 84, 27, 235] : [232, 160, 106, 235], i * 4);
    }
    context.putImageData(image, 0, 0);
    if (!this.cursor) return;
    context.strokeStyle = "#28528f";
    context.strokeRect(this.cursor.x - 1.5, this.cursor.y - 1.5, 4, 4);
  }

  #describe() {
    const filled = this.values ? this.values.reduce((sum, keep) => sum + (keep ? 0 : 1), 0) : 0;
    const state = this.values ? `${filled} of ${this.values.length} pixels are to be filled` : "not set";
    return `${this.label}: ${state}. Arrow keys move the brush, Space paints.`;
  }

  #half() {
    const { size } = this;
    this.#tell(Uint8Array.from({ length: size * size }, (_, i) => (i < (size * size) / 2 ? 1 : 0)));
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    if (event.buttons === 0) return;
    const canvas = /** @type {HTMLCanvasElement} */ (event.currentTarget);
    if (event.type === "pointerdown") canvas.setPointerCapture(event.pointerId);
    const box = canvas.getBoundingClientRect();
    const at = (/** @type {number} */ share) => Math.floor(share * this.size);
    this.cursor = undefined;
    this.#brush(at((event.clientX - box.x) / box.width), at((event.clientY - box.y) / box.height));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const from = this.cursor ?? { x: this.size >> 1, y: this.size >> 1 };
    if (event.key in moves) {
      const inside = (/** @type {number} */ v) => Math.min(Math.max(v, 0), this.size - 1);
      const [dx, dy] = moves[event.key];
      this.cursor = { x: inside(from.x + dx), y: inside(from.y + dy) };
    } else if (event.key === " ") {
      this.cursor = from;
      this.#brush(from.x, from.y);
    } else return;
    event.preventDefault();
  }

  /** Paints 3 x 3 pixels. @param {number} x @param {number} y */
  #brush(x, y) {
    const { size } = this;
    const values = this.values ? Uint8Array.from(this.values) : new Uint8Array(size * size).fill(1);
    for (let i = 0; i < size * size; i += 1) {
      if (Math.abs((i % size) - x) <= 1 && Math.abs(Math.floor(i / size) - y) <= 1) values[i] = this.keeping ? 1 : 0;
    }
    this.#tell(values);
  }

  /** @param {Uint8Array | undefined} value */
  #tell(value) {
    this.dispatchEvent(new CustomEvent("change", { detail: { value } }));
  }
}

customElements.define("pofx-mask", Mask);
