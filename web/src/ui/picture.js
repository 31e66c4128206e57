// One 28 x 28 picture on a canvas: ink on paper, or a heat map.

import { LitElement, css, html } from "lit";

/** Side of a picture, in pixels. */
export const SIDE = 28;

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
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number> | undefined} values 784 numbers; nothing: an empty picture
 * @param {{ max?: number, heat?: boolean }} [options]
 */
export function paint(canvas, values, { max = 1, heat: asHeat = false } = {}) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(SIDE, SIDE);
  for (let i = 0; values && i < SIDE * SIDE; i += 1) {
    const t = values[i] / max;
    // Ink is black with an opacity; dark mode inverts it in CSS, without another painting.
    image.data.set(asHeat ? [...heat(t), 255] : [0, 0, 0, Math.round(t * 255)], i * 4);
  }
  context.putImageData(image, 0, 0);
}

/** `<pofx-picture>`: properties `values`, `max`, `heat`, and `label` for those who do not see it. */
export class Picture extends LitElement {
  static properties = {
    values: { attribute: false },
    max: { type: Number },
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
    :host(:not([heat])) canvas {
      filter: var(--pofx-ink-filter, none);
    }
    :host([heat]) canvas {
      filter: var(--pofx-heat-filter, none);
    }
  `;

  constructor() {
    super();
    /** @type {ArrayLike<number> | undefined} */ this.values = undefined;
    this.max = 1;
    this.heat = false;
    this.label = "";
  }

  render() {
    return html`<canvas width=${SIDE} height=${SIDE} role="img" aria-label=${this.label}></canvas>`;
  }

  updated() {
    const canvas = this.renderRoot.querySelector("canvas");
    if (canvas) paint(canvas, this.values, { max: this.max || 1, heat: this.heat });
  }
}

customElements.define("pofx-picture", Picture);
