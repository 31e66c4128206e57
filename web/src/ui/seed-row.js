// Which samples are drawn: their seed, with dice and lock, and their number.

import { LitElement, css, html, svg } from "lit";
import { shared } from "./styles.js";

const COUNTS = [1, 4, 9, 16, 25, 36, 64];

const DICE = svg`<rect x="3" y="3" width="18" height="18" rx="4" /><circle cx="8" cy="8" r="1.6" /><circle cx="16" cy="8" r="1.6" /><circle cx="12" cy="12" r="1.6" /><circle cx="8" cy="16" r="1.6" /><circle cx="16" cy="16" r="1.6" />`;
const LOCK = svg`<rect x="5" y="11" width="14" height="9" rx="2" />`;
const SHACKLE = { true: svg`<path d="M8 11V8a4 4 0 0 1 8 0v3" />`, false: svg`<path d="M8 11V7a4 4 0 0 1 7.7-1.4" />` };

/** A seed by chance. */
export function randomSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
}

/**
 * `<pofx-seed>`: properties `seed` (as text, whatever was typed), `n`, `locked` (the seed is not to change by itself), `bad` (the seed is no
 * number). Events: `seed` (detail: what was typed), `draw`, `dice`, `lock` (detail: whether), `count` (detail: the number).
 */
export class SeedRow extends LitElement {
  static properties = { seed: {}, n: { type: Number }, locked: { type: Boolean }, bad: { type: Boolean } };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        margin-top: 0.3rem;
      }
      form {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) auto auto auto;
        align-items: center;
        gap: 0.6rem;
      }
      input,
      select {
        min-height: 2.75rem;
        width: 100%;
        padding: 0 0.8rem;
        font: inherit;
        color: inherit;
        background: var(--surface);
        border: 1px solid var(--control);
        border-radius: 0.6rem;
        font-variant-numeric: tabular-nums;
      }
      input[aria-invalid="true"] {
        border-color: var(--bad);
      }
      button.icon {
        padding: 0;
        width: 2.75rem;
      }
      button[aria-pressed="true"] {
        color: var(--accent);
        background: var(--tint);
        border-color: var(--accent);
      }
      svg {
        width: 1.5rem;
        height: 1.5rem;
        fill: none;
        stroke: currentColor;
        stroke-width: 1.6;
      }
      circle {
        fill: currentColor;
        stroke: none;
      }
      @media (max-width: 26rem) {
        form {
          grid-template-columns: auto minmax(0, 1fr) auto auto;
        }
        .primary {
          grid-column: 3 / -1;
          grid-row: 2;
        }
      }
    `,
  ];

  constructor() {
    super();
    this.seed = "";
    this.n = 16;
    this.locked = false;
    this.bad = false;
  }

  render() {
    const counts = [...new Set([...COUNTS, this.n])].sort((a, b) => a - b);
    const icon = (/** @type {unknown} */ shape) => html`<svg viewBox="0 0 24 24" aria-hidden="true">${shape}</svg>`;
    return html`<form @submit=${this.#onSubmit} novalidate>
      <label for="seed">Seed</label>
      <input
        id="seed"
        inputmode="numeric"
        autocomplete="off"
        maxlength="40"
        .value=${this.seed}
        aria-invalid=${this.bad}
        @input=${(/** @type {InputEvent} */ e) => this.#tell("seed", /** @type {HTMLInputElement} */ (e.target).value)}
      />
      <button type="button" class="icon dice" aria-label="Random seed" title="Random seed" ?disabled=${this.locked} @click=${() => this.#tell("dice")}>
        ${icon(DICE)}
      </button>
      <button
        type="button"
        class="icon lock"
        aria-label="Lock the seed"
        title=${this.locked ? "The seed stays" : "Generate takes a new seed once these are drawn"}
        aria-pressed=${this.locked}
        @click=${() => this.#tell("lock", !this.locked)}
      >
        ${icon([LOCK, SHACKLE[`${this.locked}`]])}
      </button>
      <button type="submit" class="primary">Generate</button>
      <label for="n">Pictures</label>
      <select id="n" @change=${(/** @type {Event} */ e) => this.#tell("count", Number(/** @type {HTMLSelectElement} */ (e.target).value))}>
        ${counts.map((n) => html`<option value=${n} ?selected=${n === this.n}>${n}</option>`)}
      </select>
    </form>`;
  }

  /** @param {Event} event */
  #onSubmit(event) {
    event.preventDefault();
    this.#tell("draw");
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("pofx-seed", SeedRow);
