// A quiet line at the bottom of the page, with at most one thing to do.

import { LitElement, css, html, nothing } from "lit";
import { shared } from "../ui/styles.js";

/** @typedef {{ text: string, action?: string, act?: () => void, once?: boolean }} Content `once`: not the same sentence again */

/** Sentences that were shown and are not to be repeated. @type {Set<string>} */
const said = new Set();

/** `<pofx-note>`: made by `Note.show`. */
export class Note extends LitElement {
  static properties = { content: { attribute: false } };

  static styles = [
    shared,
    css`
      :host {
        position: fixed;
        inset: auto 1rem 1rem;
        z-index: 3;
        display: flex;
        justify-content: center;
        pointer-events: none;
      }
      .line {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem 1rem;
        max-width: 44rem;
        padding: 0.6rem 0.8rem 0.6rem 1.1rem;
        background: var(--surface);
        border: 1px solid var(--control);
        border-radius: 0.8rem;
        box-shadow: 0 0.3rem 1.4rem rgb(0 0 0 / 0.18);
        pointer-events: auto;
      }
      p {
        flex: 1 1 16rem;
        margin: 0;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Content | undefined} */ this.content = undefined;
  }

  /** @param {Content} content */
  static show(content) {
    if (content.once && said.has(content.text)) return;
    if (content.once) said.add(content.text);
    const found = document.querySelector("pofx-note");
    const note = /** @type {Note} */ (found ?? document.createElement("pofx-note"));
    // A version that waits can be taken at the next visit, too; what went wrong can't be told later.
    note.content = content;
    if (!found) document.body.append(note);
  }

  render() {
    // The status is there before its text, or screen readers miss it.
    return html`<div role="status" aria-label="Notice">${this.content ? this.#line(this.content) : nothing}</div>`;
  }

  /** @param {Content} content */
  #line({ text, action, act }) {
    return html`<div class="line">
      <p>${text}</p>
      ${action ? html`<button type="button" @click=${act}>${action}</button>` : nothing}
      <button type="button" @click=${() => (this.content = undefined)}>${action ? "Later" : "Close"}</button>
    </div>`;
  }
}

customElements.define("pofx-note", Note);
