// One picture on a canvas: ink on paper, colours, or a heat map. Its pixels stay squares, however large it is shown.

import { LitElement, css, html } from "lit";

/** Side of the picture that is asked about, in pixels. */
export const SIDE = 28;

/**
 * A picture: values from 0 to `max` (255 where it is not said), row by row, channels last; grey is ink on paper.
 * @typedef {{ data: Uint8Array | number[] | Float32Array, width: number, height: number, channels: number, max?: number }} Pixels
 */

/** From paper to deep red; dark enough at the end to be read without colour. @type {[number, number, number][]} */
const RAMP = [
  [255, 250, 240],
  [253, 216, 150],
  [244, 150, 80],
  [205, 75, 60],
  [120, 20, 60],
  [50, 4, 36],
];

/** @param {number} t from 0 to 1 */
export function heat(t) {
  const at = Math.min(Math.max(t, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[low].map((from, i) => Math.round(from + (RAMP[low + 1][i] - from) * (at - low)));
}

/** The ramp as CSS stops. */
export const HEAT_STOPS = RAMP.map((rgb) => `rgb(${rgb.join(" ")})`).join(", ");

/**
 * Picture `index` of a step of sampling.
 * @param {import("../p-of-x.js").SampleStep} step
 * @param {number} index
 * @param {"images" | "predicted"} [which]
 * @returns {Pixels}
 */
export function pictureOf(step, index, which = "images") {
  const { width, height, channels } = step;
  const size = width * height * channels;
  const all = step[which] ?? step.images;
  return { data: all.subarray(index * size, (index + 1) * size), width, height, channels };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Pixels | undefined} pixels nothing: an empty picture
 * @param {{ heat?: boolean }} [options]
 */
export function paint(canvas, pixels, { heat: asHeat = false } = {}) {
  const { data = [], width = 1, height = 1, channels = 1, max = 255 } = pixels ?? {};
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  // Ink is black with an opacity; dark mode inverts it in CSS, without another painting.
  canvas.classList.toggle("ink", channels === 1 && !asHeat);
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(width, height);
  for (let i = 0; i * channels < data.length; i += 1) {
    const level = (/** @type {number} */ c) => (data[i * channels + c] / max) * 255;
    if (asHeat) image.data.set([...heat(level(0) / 255), 255], i * 4);
    else image.data.set(channels === 1 ? [0, 0, 0, level(0)] : [level(0), level(1), level(2), 255], i * 4);
  }
  context.putImageData(image, 0, 0);
}

/** `<pofx-picture>`: properties `pixels`, `heat`, and `label` for those who do not see it. */
export class Picture extends LitElement {
  static properties = {
    pixels: { attribute: false },
    heat: { type: Boolean, reflect: true },
    label: {},
  };

  static styles = css`
    :host {
      display: block;
      aspect-ratio: 1;
      background: var(--pofx-paper, #fff);
      border: 1px solid var(--pofx-line, light-dark(#e2ddd2, #31353d));
      border-radius: 0.5rem;
      overflow: hidden;
    }
    canvas {
      display: block;
      width: 100%;
      height: 100%;
      image-rendering: pixelated;
    }
    canvas.ink {
      filter: var(--pofx-ink-filter, none);
    }
    :host([heat]) canvas {
      filter: var(--pofx-heat-filter, none);
    }
  `;

  constructor() {
    super();
    /** @type {Pixels | undefined} */ this.pixels = undefined;
    this.heat = false;
    this.label = "";
  }

  render() {
    return html`<canvas role="img" aria-label=${this.label}></canvas>`;
  }

  updated() {
    const canvas = this.renderRoot.querySelector("canvas");
    if (canvas) paint(canvas, this.pixels, { heat: this.heat });
  }
}

customElements.define("pofx-picture", Picture);
