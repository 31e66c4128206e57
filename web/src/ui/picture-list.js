// A list of pictures of which one can be asked about: the samples, the examples. One stop for the Tab key; arrow keys
// move inside, Enter or Space asks.

import { LitElement, css, html } from "lit";
import { paint } from "./picture.js";
import { shared } from "./styles.js";

/** `disabled`: it can be seen, but not chosen yet. @typedef {{ pixels?: import("./picture.js").Pixels, disabled?: boolean, label: string }} Item */

/** `<pofx-picture-list>`: properties `items`, `columns`, `selected`, `label`; event `pick` with `detail.index`. */
export class PictureList extends LitElement {
  static properties = {
    items: { attribute: false },
    columns: { type: Number },
    selected: { type: Number },
    label: {},
    active: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      [role="listbox"] {
        display: grid;
        gap: var(--gap, 0.5rem);
        grid-template-columns: repeat(var(--columns, 4), 1fr);
      }
      [role="option"] {
        position: relative;
        aspect-ratio: 1;
        min-width: 24px;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        cursor: pointer;
        overflow: hidden;
      }
      [role="option"]:hover {
        border-color: var(--control);
      }
      [aria-selected="true"] {
        border-color: var(--accent);
        box-shadow: 0 0 0 2px var(--accent);
      }
      [aria-disabled="true"] {
        cursor: default;
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
    `,
  ];

  constructor() {
    super();
    /** @type {Item[]} */ this.items = [];
    this.columns = 4;
    this.selected = -1;
    this.label = "";
    this.active = 0;
  }

  render() {
    return html`<div
      role="listbox"
      aria-label=${this.label}
      aria-orientation="horizontal"
      @keydown=${this.#onKey}
      @click=${this.#onClick}
    >
      ${this.items.map(
        ({ pixels, disabled, label }, i) =>
          html`<div
            role="option"
            data-index=${i}
            aria-label=${label}
            aria-selected=${i === this.selected}
            aria-disabled=${!pixels || Boolean(disabled)}
            tabindex=${i === Math.min(this.active, this.items.length - 1) ? 0 : -1}
          >
            <canvas></canvas>
          </div>`,
      )}
    </div>`;
  }

  updated() {
    // Set here and not in the template: a strict policy refuses style attributes, but not this.
    this.style.setProperty("--columns", String(this.columns));
    const canvases = this.renderRoot.querySelectorAll("canvas");
    this.items.forEach(({ pixels }, i) => paint(canvases[i], pixels));
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const option = /** @type {HTMLElement} */ (event.target).closest("[data-index]");
    if (option instanceof HTMLElement) this.#pick(Number(option.dataset.index));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const last = this.items.length - 1;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowRight: this.active + 1,
      ArrowLeft: this.active - 1,
      ArrowDown: this.active + this.columns,
      ArrowUp: this.active - this.columns,
      Home: 0,
      End: last,
    };
    if (event.key === "Enter" || event.key === " ") this.#pick(this.active);
    else if (event.key in moves) this.#focus(Math.min(Math.max(moves[event.key], 0), last));
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  #focus(index) {
    this.active = index;
    void this.updateComplete.then(() => {
      const option = this.renderRoot.querySelector(`[data-index="${index}"]`);
      if (option instanceof HTMLElement) option.focus();
    });
  }

  /** @param {number} index */
  #pick(index) {
    this.active = index;
    const { pixels, disabled } = this.items[index] ?? {};
    if (!pixels || disabled) return;
    this.dispatchEvent(new CustomEvent("pick", { detail: { index } }));
  }
}

customElements.define("pofx-picture-list", PictureList);
