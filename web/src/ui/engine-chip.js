// Which engine runs, and why.

import { LitElement, css, html } from "lit";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").BackendInfo} BackendInfo */

/** The words of the chip. @param {BackendInfo} backend */
export function chipText({ name, verified }) {
  if (name === "cpu") return "CPU (WASM SIMD)";
  return verified ? "WebGPU (verified)" : "WebGPU (not verified)";
}

/**
 * `<pofx-engine-chip>`: properties `backend` (nothing: it is being chosen) and `busy`: then the slot, which tells what is
 * going on, takes the place of the reason, so that neither needs room of its own.
 */
export class EngineChip extends LitElement {
  static properties = { backend: { attribute: false }, busy: { type: Boolean, reflect: true } };

  static styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.3rem 0.8rem;
        align-content: flex-start;
        min-height: 2.75rem;
        font-size: 0.9375rem;
      }
      .chip {
        display: inline-flex;
        align-items: center;
        gap: 0.5rem;
        padding: 0.2rem 0.8rem 0.2rem 0.65rem;
        border: 1px solid var(--line);
        border-radius: 1rem;
        background: var(--surface);
        font-weight: 500;
      }
      .chip::before {
        content: "";
        width: 0.6rem;
        height: 0.6rem;
        border-radius: 50%;
        background: var(--control);
      }
      .webgpu::before {
        background: var(--good);
      }
      .cpu::before {
        background: var(--accent);
      }
      .why {
        color: var(--muted);
      }
      @container pofx (max-width: 40rem) {
        :host {
          /* The chip, and two lines of reasons. */
          min-height: 5.4rem;
        }
        .why {
          flex-basis: 100%;
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {BackendInfo | undefined} */ this.backend = undefined;
    this.busy = false;
  }

  render() {
    const b = this.backend;
    return html`<span class="chip ${b?.name ?? ""}"><span class="hidden">Engine: </span>${b ? chipText(b) : "Choosing an engine"}</span>
      <span class="why">${this.busy ? html`<slot></slot>` : b?.reason}</span>`;
  }
}

customElements.define("pofx-engine-chip", EngineChip);
