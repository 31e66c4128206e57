// A part of the plane on two canvases: a density below, points, probe and arrows above.

import { LitElement, css, html } from "lit";
import { heat } from "../ui/picture.js";
import { shared } from "../ui/styles.js";

/** @typedef {{ x: [number, number], y: [number, number] }} Window */
/** @typedef {{ n: number, values: Float32Array }} Field */

/** Nats below the highest density at which nothing is left to see. */
export const DEPTH = 8;
/** A step of the arrow keys, as a share of the window; with shift five of them. */
const STEP = 0.02;
const SIZE = 480;

/** Colours of the map as pixels, from nothing to the highest density. */
const SHADES = new Uint32Array(new Uint8ClampedArray(Array.from({ length: 256 }, (_, i) => [...heat((0.85 * i) / 255), 255]).flat()).buffer);

/**
 * Paints an n x n field, row 0 at the top, relative to its highest value.
 * @param {HTMLCanvasElement} canvas
 * @param {Field | undefined} field
 * @param {number} [depth]
 */
export function paintField(canvas, field, depth = DEPTH) {
  const { n, values } = field ?? { n: 1, values: Float32Array.of(-Infinity) };
  if (canvas.width !== n) canvas.width = canvas.height = n;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(n, n);
  const top = values.reduce((most, v) => (Number.isFinite(v) && v > most ? v : most), -Infinity);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i += 1) {
    const t = Math.max(0, 1 + (values[i] - top) / depth);
    pixels[i] = t > 0 ? SHADES[Math.round((SHADES.length - 1) * Math.min(t, 1))] : 0;
  }
  context.putImageData(image, 0, 0);
}

/** From the plane to a square of pixels. @param {Window} window @param {number} size */
export function scaleOf({ x, y }, size) {
  return (/** @type {number} */ a, /** @type {number} */ b) =>
    /** @type {[number, number]} */ ([((a - x[0]) / (x[1] - x[0])) * size, (1 - (b - y[0]) / (y[1] - y[0])) * size]);
}

/**
 * `<pofx-plane>`: properties `window`, `field`, `train`, `held`, `samples` (x1, x2, x1, x2, ..), `probe`, `score`, `label`,
 * `drawing` (whether points are drawn rather than probed). Events: `probe` (detail: the point), `add`, `erase` (detail: a point).
 */
export class Plane extends LitElement {
  static properties = {
    window: { attribute: false },
    field: { attribute: false },
    train: { attribute: false },
    held: { attribute: false },
    samples: { attribute: false },
    probe: { attribute: false },
    score: { attribute: false },
    label: {},
    drawing: { type: Boolean, reflect: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .plane {
        position: relative;
        aspect-ratio: 1;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        overflow: hidden;
        touch-action: pan-y;
        cursor: crosshair;
      }
      :host([drawing]) .plane {
        touch-action: none;
      }
      canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
      }
      .field {
        filter: var(--pofx-heat-filter, none);
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Window} */ this.window = { x: [-3, 3], y: [-3, 3] };
    /** @type {Field | undefined} */ this.field = undefined;
    /** @type {ArrayLike<number>} */ this.train = [];
    /** @type {ArrayLike<number>} */ this.held = [];
    /** @type {ArrayLike<number>} */ this.samples = [];
    /** @type {[number, number] | undefined} */ this.probe = undefined;
    /** @type {[number, number] | null} */ this.score = null;
    this.label = "";
    this.drawing = false;
  }

  #frame = 0;

  render() {
    return html`<div
      class="plane"
      tabindex="0"
      role="application"
      aria-roledescription="plane"
      aria-label=${this.label}
      @pointerdown=${this.#onPointer}
      @pointermove=${this.#onPointer}
      @keydown=${this.#onKey}
    >
      <canvas class="field"></canvas><canvas class="marks" width=${SIZE} height=${SIZE}></canvas>
    </div>`;
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    const [field] = this.renderRoot.querySelectorAll("canvas");
    if (field && (changed.has("field") || !this.hasUpdated)) paintField(field, this.field);
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#paintMarks());
  }

  #paintMarks() {
    const context = /** @type {HTMLCanvasElement | null} */ (this.renderRoot.querySelector(".marks"))?.getContext("2d");
    if (!context) return;
    const style = getComputedStyle(this);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name);
    const at = scaleOf(this.window, SIZE);
    context.clearRect(0, 0, SIZE, SIZE);
    const each = (/** @type {ArrayLike<number>} */ points, /** @type {(x: number, y: number) => void} */ draw) => {
      for (let i = 0; i + 1 < points.length; i += 2) draw(...at(points[i], points[i + 1]));
    };
    context.fillStyle = context.strokeStyle = colour("color");
    context.globalAlpha = 0.55;
    each(this.train, (x, y) => context.fillRect(x - 1.5, y - 1.5, 3, 3));
    context.lineWidth = 1.5;
    each(this.held, (x, y) => context.strokeRect(x - 3, y - 3, 6, 6));
    context.fillStyle = style.getPropertyValue("--pofx-accent") || "#28528f";
    context.globalAlpha = 0.8;
    each(this.samples, (x, y) => {
      context.beginPath();
      context.arc(x, y, 2.6, 0, 7);
      context.fill();
    });
    context.globalAlpha = 1;
    if (this.probe) this.#paintProbe(context, at(...this.probe), style.color);
  }

  /** @param {CanvasRenderingContext2D} context @param {[number, number]} at @param {string} colour */
  #paintProbe(context, [x, y], colour) {
    context.strokeStyle = colour;
    context.lineWidth = 2.5;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 16 * dx, y + 16 * dy);
    }
    if (this.score) {
      const [dx, dy] = this.score;
      const size = Math.hypot(dx, dy);
      if (size > 0) {
        const long = Math.min(70, 18 + 18 * Math.log1p(size));
        const [ux, uy] = [dx / size, -dy / size];
        const [tx, ty] = [x + long * ux, y + long * uy];
        context.moveTo(x, y);
        context.lineTo(tx, ty);
        context.lineTo(tx - 9 * ux - 6 * uy, ty - 9 * uy + 6 * ux);
        context.moveTo(tx, ty);
        context.lineTo(tx - 9 * ux + 6 * uy, ty - 9 * uy - 6 * ux);
      }
    }
    context.stroke();
  }

  /** What is shown, as a PNG file of twice the size. @returns {Promise<Blob>} */
  async toBlob() {
    const picture = document.createElement("canvas");
    picture.width = picture.height = 2 * SIZE;
    const context = picture.getContext("2d");
    const [field, marks] = this.renderRoot.querySelectorAll("canvas");
    if (context) {
      const paper = /** @type {HTMLElement} */ (this.renderRoot.querySelector(".plane"));
      context.fillStyle = getComputedStyle(paper).backgroundColor;
      context.fillRect(0, 0, picture.width, picture.height);
      context.filter = getComputedStyle(field).filter;
      context.drawImage(field, 0, 0, picture.width, picture.height);
      context.filter = "none";
      context.drawImage(marks, 0, 0, picture.width, picture.height);
    }
    return new Promise((resolve, reject) => picture.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be made."))), "image/png"));
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    const plane = /** @type {HTMLElement} */ (event.currentTarget);
    if (event.buttons === 0) return;
    if (event.type === "pointerdown") plane.setPointerCapture(event.pointerId);
    const box = plane.getBoundingClientRect();
    const share = (/** @type {number} */ v) => Math.min(Math.max(v, 0), 1);
    const { x, y } = this.window;
    const across = share((event.clientX - box.x) / box.width);
    const up = 1 - share((event.clientY - box.y) / box.height);
    this.#tell(this.drawing ? "add" : "probe", [x[0] + across * (x[1] - x[0]), y[0] + up * (y[1] - y[0])]);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const { x, y } = this.window;
    const from = this.probe ?? [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
    if (this.drawing && (event.key === "Enter" || event.key === "Delete" || event.key === "Backspace")) {
      event.preventDefault();
      return this.#tell(event.key === "Enter" ? "add" : "erase", from);
    }
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const step = STEP * (event.shiftKey ? 5 : 1);
    const moved = [x, y].map(([low, high], i) => Math.min(Math.max(from[i] + move[i] * step * (high - low), low), high));
    this.#tell("probe", moved);
  }

  /** @param {string} name @param {number[]} detail */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("pofx-plane", Plane);
