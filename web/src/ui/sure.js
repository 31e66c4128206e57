// A button for what can't be taken back: it asks once more, in its own place.

import { LitElement, css, html } from "lit";
import { shared } from "./styles.js";

/** `<pofx-sure>`: children: what the button says; properties `yes` (what the second one says), `disabled`; event `sure`. */
export class Sure extends LitElement {
  static properties = {
    yes: {},
    disabled: { type: Boolean },
    asking: { state: true },
  };

  static styles = [
    shared,
    css`
      :host,
      div {
        display: inline-flex;
        flex-wrap: wrap;
        justify-content: end;
        gap: 0.4rem;
      }
      button {
        min-width: var(--sure-width, auto);
        padding-inline: 0.7rem;
      }
      .yes {
        color: var(--bad);
        border-color: var(--bad);
      }
    `,
  ];

  constructor() {
    super();
    this.yes = "";
    this.disabled = false;
    this.asking = false;
  }

  render() {
    if (!this.asking) return html`<button type="button" ?disabled=${this.disabled} @click=${() => this.#ask(true)}><slot></slot></button>`;
    // What changes nothing comes first: a second click in the same place does no harm.
    return html`<div role="group" aria-label="This can’t be taken back" @keydown=${this.#onKey}>
      <button type="button" @click=${() => this.#ask(false)}>Cancel</button>
      <button type="button" class="yes" ?disabled=${this.disabled} @click=${this.#onYes}>${this.yes}</button>
    </div>`;
  }

  /** @param {boolean} asking */
  #ask(asking) {
    this.asking = asking;
    void this.updateComplete.then(() => this.renderRoot.querySelector("button")?.focus());
  }

  #onYes() {
    this.#ask(false);
    this.dispatchEvent(new CustomEvent("sure"));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") this.#ask(false);
  }
}

customElements.define("pofx-sure", Sure);
