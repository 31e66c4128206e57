// The drawing pad: mouse, touch and pen through pointer events, or the keyboard. It also shows whatever picture is being
// asked about, and lets a person draw on top of it.

import { LitElement, css, html } from "lit";
import { SIDE } from "./picture.js";
import { shared } from "./styles.js";

/** Resolution of the drawing: ten times the picture the model sees. */
const SIZE = 280;
const CELL = SIZE / SIDE;
const STROKE = 21;
/** So many changes can be taken back. */
const MOST = 20;

/** @typedef {import("../engine/image.js").Levels} Levels */

/** What is on the pad. @typedef {{ ink: ImageData, placed: boolean, empty: boolean }} Drawing */

/**
 * `<pofx-pad>`: events `stroke` (while drawing and at its end: `detail.last`; when one is taken back: `detail.undone`), `clear`; methods
 * `show(values)`, `clear()` and `undo()`, getters `picture` and `undoable`.
 */
export class Pad extends LitElement {
  static properties = {
    empty: { type: Boolean, reflect: true },
    cursor: { state: true },
    down: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .frame {
        position: relative;
        aspect-ratio: 1;
      }
      canvas {
        display: block;
        width: 100%;
        height: 100%;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--control);
        border-radius: 0.75rem;
        cursor: crosshair;
        touch-action: none;
      }
      .ink {
        filter: var(--pofx-ink-filter, none);
        background: none;
        border-color: transparent;
        position: absolute;
        inset: 0;
      }
      .paper {
        position: absolute;
        inset: 0;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--control);
        border-radius: 0.75rem;
      }
      .hint {
        position: absolute;
        inset: 0;
        display: grid;
        place-items: center;
        margin: 0;
        color: var(--muted);
        font: italic 1.25rem/1.3 var(--serif);
        text-align: center;
        pointer-events: none;
      }
      .cursor {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        pointer-events: none;
      }
      .cursor circle {
        fill: none;
        stroke: var(--accent);
        stroke-width: 3;
      }
      .cursor circle.down {
        fill: var(--accent);
      }
    `,
  ];

  /** Ink, 0 to 255, as alpha. @type {OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D | null} */
  #ink = null;
  /** A picture of 28 x 28 was shown: what is drawn on it keeps its place. */
  #placed = false;
  /** @type {{ x: number, y: number } | undefined} */ #last;
  /** What was on the pad before each change, the latest last. @type {Drawing[]} */ #past = [];

  constructor() {
    super();
    this.empty = true;
    /** @type {{ x: number, y: number } | undefined} */ this.cursor = undefined;
    this.down = false;
  }

  render() {
    const { x, y } = this.cursor ?? { x: 0, y: 0 };
    return html`<div class="frame">
      <div class="paper"></div>
      <canvas
        class="ink"
        width=${SIZE}
        height=${SIZE}
        tabindex="0"
        role="application"
        aria-roledescription="drawing pad"
        aria-label="Drawing pad. Arrow keys move the pen, Space lowers or lifts it, Delete clears, Control and Z take the last change back."
        @pointerdown=${this.#onDown}
        @pointermove=${this.#onMove}
        @pointerup=${this.#onUp}
        @pointercancel=${this.#onUp}
        @keydown=${this.#onKey}
        @blur=${this.#hideCursor}
      ></canvas>
      ${this.empty ? html`<p class="hint" aria-hidden="true">Draw here</p>` : ""}
      ${this.cursor
        ? html`<svg class="cursor" viewBox="0 0 ${SIZE} ${SIZE}" aria-hidden="true">
            <circle class=${this.down ? "down" : ""} cx=${x} cy=${y} r=${STROKE / 2}></circle>
          </svg>`
        : ""}
    </div>`;
  }

  firstUpdated() {
    const canvas = this.renderRoot.querySelector("canvas");
    this.#ink = canvas?.getContext("2d", { willReadFrequently: true }) ?? null;
  }

  /** What is on the pad. A drawing has its full resolution; a shown picture stays 28 x 28, whatever was added. @returns {Levels} */
  get picture() {
    const rgba = this.#ink?.getImageData(0, 0, SIZE, SIZE).data ?? new Uint8ClampedArray(SIZE * SIZE * 4);
    const alpha = Uint8Array.from({ length: SIZE * SIZE }, (_, i) => rgba[4 * i + 3]);
    return this.#placed ? shrink(alpha) : { data: alpha, width: SIZE, height: SIZE };
  }

  /** Shows a picture of 28 x 28 values from 0 to 255. @param {ArrayLike<number>} values */
  async show(values) {
    await this.updateComplete;
    if (!this.empty) this.#remember();
    this.#wipe();
    this.#placed = true;
    this.empty = false;
    for (let i = 0; i < SIDE * SIDE; i += 1) {
      if (!this.#ink || values[i] === 0) continue;
      this.#ink.fillStyle = `rgb(0 0 0 / ${values[i] / 255})`;
      this.#ink.fillRect((i % SIDE) * CELL, Math.floor(i / SIDE) * CELL, CELL, CELL);
    }
  }

  /** Empties the pad. */
  clear() {
    if (!this.empty) this.#remember();
    this.#empty();
  }

  /** Whether there is a change to take back. */
  get undoable() {
    return this.#past.length > 0;
  }

  /** Takes back the last stroke, the last clearing, or the last picture that was shown. */
  undo() {
    const before = this.#past.pop();
    if (!before) return;
    if (before.empty) return this.#empty();
    this.#wipe();
    this.#ink?.putImageData(before.ink, 0, 0);
    [this.#placed, this.empty] = [before.placed, false];
    this.dispatchEvent(new CustomEvent("stroke", { detail: { last: true, undone: true } }));
  }

  #remember() {
    const ink = this.#ink?.getImageData(0, 0, SIZE, SIZE);
    if (ink) this.#past = [...this.#past.slice(1 - MOST), { ink, placed: this.#placed, empty: this.empty }];
  }

  #empty() {
    this.#wipe();
    this.#placed = false;
    this.empty = true;
    this.dispatchEvent(new CustomEvent("clear"));
  }

  #wipe() {
    this.#ink?.clearRect(0, 0, SIZE, SIZE);
    this.#last = undefined;
    this.down = false;
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (event.button !== 0) return;
    const canvas = /** @type {HTMLCanvasElement} */ (event.target);
    canvas.setPointerCapture(event.pointerId);
    this.#hideCursor();
    this.#remember();
    this.#last = this.#at(event);
    this.#line(this.#last, this.#last);
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    if (!this.#last || event.buttons === 0) return;
    // The browser joins fast moves into one event; a curve needs them all.
    for (const part of event.getCoalescedEvents?.() ?? [event]) {
      const next = this.#at(part);
      this.#line(this.#last, next);
      this.#last = next;
    }
  }

  #onUp() {
    if (!this.#last) return;
    this.#last = undefined;
    this.#report(true);
  }

  /** @param {PointerEvent} event */
  #at(event) {
    const box = /** @type {HTMLCanvasElement} */ (event.target).getBoundingClientRect();
    return { x: ((event.clientX - box.x) / box.width) * SIZE, y: ((event.clientY - box.y) / box.height) * SIZE };
  }

  /** @param {{ x: number, y: number }} from @param {{ x: number, y: number }} to */
  #line(from, to) {
    const ink = this.#ink;
    if (!ink) return;
    ink.lineCap = "round";
    ink.lineWidth = STROKE;
    ink.strokeStyle = "#000";
    ink.beginPath();
    ink.moveTo(from.x, from.y);
    // A line of no length draws nothing in some browsers, and a dot should.
    ink.lineTo(to.x + 0.01, to.y);
    ink.stroke();
    this.empty = false;
    this.#report(false);
  }

  /** @param {boolean} last whether the stroke is finished */
  #report(last) {
    this.dispatchEvent(new CustomEvent("stroke", { detail: { last } }));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const from = this.cursor ?? { x: SIZE / 2, y: SIZE / 4 };
    if (event.key in moves) {
      const inside = (/** @type {number} */ v) => Math.min(Math.max(v, CELL), SIZE - CELL);
      const [dx, dy] = moves[event.key];
      this.cursor = { x: inside(from.x + dx * CELL), y: inside(from.y + dy * CELL) };
      if (this.down) this.#line(from, this.cursor);
    } else if (event.key === " ") {
      this.cursor = from;
      this.down = !this.down;
      if (this.down) this.#remember();
      if (this.down) this.#line(from, from);
      else this.#report(true);
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey) this.undo();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  }

  #hideCursor() {
    if (this.down) this.#report(true);
    this.cursor = undefined;
    this.down = false;
  }
}

/** Means over cells. @param {Uint8Array} alpha SIZE x SIZE @returns {Levels} */
function shrink(alpha) {
  const data = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < data.length; i += 1) {
    const corner = Math.floor(i / SIDE) * CELL * SIZE + (i % SIDE) * CELL;
    let sum = 0;
    for (let j = 0; j < CELL * CELL; j += 1) sum += alpha[corner + Math.floor(j / CELL) * SIZE + (j % CELL)];
    data[i] = Math.round(sum / (CELL * CELL));
  }
  return { data, width: SIDE, height: SIDE };
}

customElements.define("pofx-pad", Pad);
