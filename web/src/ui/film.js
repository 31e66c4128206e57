// How one picture came about: its frames side by side, as they were and, for a diffusion model, as it took them for.

import { LitElement, css, html, nothing } from "lit";
import { paint, pictureOf } from "./picture.js";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").SampleStep} SampleStep */
/** @typedef {import("./picture.js").Pixels} Pixels */
/** @typedef {{ step: number, image: Pixels, predicted?: Pixels }} Frame */

/** What the frames of a run may take; above, every second one is forgotten. */
const MOST_BYTES = 32e6;
/** Frames in a strip. */
const LENGTH = 10;

/** The frames of a run, as they arrive. */
export class Film {
  /** @type {SampleStep[]} */ #steps = [];
  #bytes = 0;

  /** @param {SampleStep} step */
  add(step) {
    this.#steps.push(step);
    this.#bytes += size(step);
    if (this.#bytes < MOST_BYTES) return;
    this.#steps = this.#steps.filter((_, i) => i % 2 === 1);
    this.#bytes = this.#steps.reduce((sum, step) => sum + size(step), 0);
  }

  /**
   * The frames in which picture `index` was in hand, thinned out; the last one is the finished picture.
   * @param {number} index
   * @param {number} [most] how many frames, as a strip holds where it is not said
   * @returns {Frame[]}
   */
  of(index, most = LENGTH) {
    /** @type {SampleStep[]} */ const all = [];
    for (const step of this.#steps) {
      const finished = step.done > index;
      if (finished || hasInk(pictureOf(step, index))) all.push(step);
      if (finished) break;
    }
    // The last step and the finished picture are the same.
    if (all.length > 2 && all[all.length - 2].step === all[0].steps) all.splice(-2, 1);
    if (all.length < 2) return [];
    const steps = all[0].steps;
    const count = Math.min(all.length, most);
    return Array.from({ length: count }, (_, i) => {
      const step = all[Math.round((i * (all.length - 1)) / (count - 1))];
      const predicted = step.predicted && pictureOf(step, index, "predicted");
      return { step: step.done > index ? steps : step.step, image: pictureOf(step, index), predicted };
    });
  }
}

/** @param {SampleStep} step */
function size({ images, predicted }) {
  return images.length + (predicted?.length ?? 0);
}

/** Whether anything is there: what nobody has begun is zero. @param {Pixels} pixels */
export function hasInk({ data }) {
  return data.some((level) => level > 0);
}

/** `<pofx-film>`: properties `frames`, `label`. */
export class FilmStrip extends LitElement {
  static properties = { frames: { attribute: false }, label: {} };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .strip {
        display: grid;
        grid-template-columns: repeat(10, minmax(0, 1fr));
        gap: 0.25rem;
      }
      .strip + p {
        margin-top: 0.5rem;
      }
      p {
        margin: 0 0 0.2rem;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      canvas {
        display: block;
        width: 100%;
        aspect-ratio: 1;
        image-rendering: pixelated;
        background: var(--pofx-paper, #fff);
        border-radius: 0.25rem;
      }
      canvas.ink {
        filter: var(--pofx-ink-filter, none);
      }
      .cell {
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--line);
        border-radius: 0.3rem;
        overflow: hidden;
      }
      .cell canvas {
        background: none;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Frame[]} */ this.frames = [];
    this.label = "";
  }

  render() {
    const { frames } = this;
    if (frames.length === 0) return nothing;
    const strip = (/** @type {string} */ which) => html`<div class="strip" role="list" aria-label="${this.label}, ${which}">
      ${frames.map(
        ({ step }) => html`<div role="listitem" class="cell"><canvas role="img" aria-label="Step ${step}, ${which}"></canvas></div>`,
      )}
    </div>`;
    const predicted = frames.some((frame) => frame.predicted);
    return html`<p>${this.label}${predicted ? ": as it was" : ""}</p>
      ${strip("as it was")}
      ${predicted ? html`<p>What the model took it for</p> ${strip("predicted")}` : nothing}`;
  }

  updated() {
    const canvases = this.renderRoot.querySelectorAll("canvas");
    const pictures = [...this.frames.map(({ image }) => image), ...this.frames.map(({ predicted }) => predicted)];
    canvases.forEach((canvas, i) => paint(canvas, pictures[i]));
  }
}

customElements.define("pofx-film", FilmStrip);
