// A table that is typed or pasted as text: the way for those without a file, a phone among them.

import { LitElement, css, html } from "lit";
import { fields } from "../ui/field-styles.js";
import { shared } from "../ui/styles.js";

/** `<pofx-lab-table>`: event `table` (detail: the text). */
export class TableField extends LitElement {
  static styles = [
    shared,
    fields,
    css`
      summary {
        width: fit-content;
        min-height: 2.75rem;
        padding-block: 0.6rem;
        color: var(--accent);
        cursor: pointer;
      }
      label {
        display: grid;
        gap: 0.3rem;
        max-width: 34rem;
      }
      textarea {
        width: 100%;
        padding: 0.5rem 0.7rem;
        font: 0.9375rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
      }
      button {
        margin-block: 0.6rem;
      }
    `,
  ];

  render() {
    return html`<details>
      <summary>Type or paste a table</summary>
      <form @submit=${this.#onSubmit}>
        <label>
          A line for each point: two numbers, and a class in a third column if there is one.
          <textarea name="table" rows="7" required spellcheck="false" autocapitalize="off" placeholder="x,y
0.5,1.2
-0.3,0.8"></textarea>
        </label>
        <button>Learn these points</button>
      </form>
    </details>`;
  }

  /** @param {SubmitEvent} event */
  #onSubmit(event) {
    event.preventDefault();
    const table = new FormData(/** @type {HTMLFormElement} */ (event.target)).get("table");
    this.dispatchEvent(new CustomEvent("table", { detail: String(table) }));
  }
}

customElements.define("pofx-lab-table", TableField);
