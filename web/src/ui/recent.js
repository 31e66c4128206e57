// Recent results: what was drawn lately in this browser, to go back to.

import { LitElement, css, html, nothing } from "lit";
import { megabytes } from "./format.js";
import { RESULTS, forget, forgetAll, keep, putBack, results, sizeOf } from "./recent-store.js";
import { changes } from "./store.js";
import { shared } from "./styles.js";
import "./picture.js";

/** @typedef {import("./recent-store.js").Result} Result */

/** `<pofx-recent>`: method `keep`; event `restore` (detail: the Result). */
export class Recent extends LitElement {
  static properties = { results: { state: true }, deleted: { state: true }, trouble: { state: true } };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        margin-top: 1.6rem;
      }
      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.2rem 1rem;
      }
      h2 {
        margin: 0;
        font: 500 1.25rem/1.3 var(--serif);
      }
      p,
      .about {
        margin: 0;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      ul {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr));
        gap: 0.8rem;
        margin: 0.6rem 0 0;
        padding: 0;
        list-style: none;
      }
      li {
        position: relative;
      }
      .result {
        display: block;
        width: 100%;
        height: 100%;
        padding: 0.5rem;
        text-align: start;
        white-space: normal;
        overflow-wrap: anywhere;
        font-size: 0.875rem;
        line-height: 1.35;
        border-color: var(--line);
      }
      .pictures {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: 0.25rem;
        margin-bottom: 0.4rem;
      }
      .forget {
        position: absolute;
        inset: 0 0 auto auto;
        min-height: 1.75rem;
        min-width: 1.75rem;
        padding: 0;
        border-color: var(--line);
        border-radius: 0 0.6rem;
        line-height: 1;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Result[]} */ this.results = [];
    /** What was deleted last, to be put back. @type {Result[]} */ this.deleted = [];
    /** Why nothing can be kept. */ this.trouble = "";
  }

  connectedCallback() {
    super.connectedCallback();
    changes.addEventListener(RESULTS, this.#read);
    void this.#read();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    changes.removeEventListener(RESULTS, this.#read);
  }

  /** @param {Omit<Result, "key" | "at">} result */
  keep(result) {
    return this.#change(() => keep(result));
  }

  #read = () => this.#change(async () => void (this.results = await results()));

  /** @param {() => Promise<void>} change */
  async #change(change) {
    try {
      await change();
      this.trouble = "";
    } catch (thrown) {
      this.trouble = `Results can’t be kept in this browser: ${thrown instanceof Error ? thrown.message : thrown}`;
    }
  }

  /** @param {Result[]} deleted @param {() => Promise<void>} change */
  async #delete(deleted, change) {
    await this.#change(change);
    this.deleted = deleted;
    // The button that was pressed is gone.
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.renderRoot.querySelector(".undo"))?.focus();
  }

  async #undo() {
    const { deleted } = this;
    this.deleted = [];
    await this.#change(() => putBack(deleted));
  }

  render() {
    const { results, trouble } = this;
    if (trouble) return html`<p role="status">${trouble}</p>`;
    if (results.length === 0) return this.#renderDeleted();
    return html`<div class="head">
        <h2 id="title">Recent results</h2>
        <span class="about">${results.length} in this browser, ${megabytes(sizeOf(results))}</span>
        <button type="button" class="quiet" @click=${() => void this.#delete(results, forgetAll)}>Delete all</button>
        ${this.#renderDeleted()}
      </div>
      <ul aria-labelledby="title">
        ${results.map((result) => this.#renderResult(result))}
      </ul>`;
  }

  #renderDeleted() {
    const { length } = this.deleted;
    const said = `${length} ${length === 1 ? "result was" : "results were"} deleted.`;
    return html`<span role="status" class="about">${length > 0 ? said : nothing}</span>
      ${length > 0 ? html`<button type="button" class="quiet undo" @click=${this.#undo}>Undo</button>` : nothing}`;
  }

  /** @param {Result} result */
  #renderResult(result) {
    const { key, at, model, seed, n, pictures } = result;
    const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const name = `${model}, seed ${seed}`;
    return html`<li>
      <button type="button" class="result" @click=${() => this.dispatchEvent(new CustomEvent("restore", { detail: result }))}>
        <span class="pictures" aria-hidden="true">${pictures.map((pixels) => html`<pofx-picture .pixels=${pixels}></pofx-picture>`)}</span>
        ${name}<span class="about">, ${n === 1 ? "1 picture" : `${n} pictures`}, ${time}</span>
      </button>
      <button type="button" class="forget" aria-label="Delete ${name}, ${time}" title="Delete" @click=${() => void this.#delete([result], () => forget(key))}>×</button>
    </li>`;
  }
}

customElements.define("pofx-recent", Recent);
