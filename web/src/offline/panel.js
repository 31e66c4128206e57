// What the page keeps on this device, model by model, and the means to keep more or less of it.

import { LitElement, css, html, nothing } from "lit";
import { megabytes } from "../ui/format.js";
import { shared } from "../ui/styles.js";
import { clear, clearAll, keep, storedModels } from "./models.js";

/** @typedef {import("./models.js").Stored} Stored */

/** `<pofx-storage>`: the table of models with the bytes of each, and the whole of what this site uses. */
export class Storage extends LitElement {
  static properties = {
    models: { state: true },
    used: { state: true },
    busy: { state: true },
    message: { state: true },
    persisted: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        max-width: 46rem;
      }
      table {
        width: 100%;
        border-collapse: collapse;
      }
      th,
      td {
        padding: 0.25rem 0.8rem 0.25rem 0;
        border-top: 1px solid var(--line);
        text-align: start;
        font-weight: 400;
      }
      td:nth-child(2) {
        color: var(--muted);
        font-variant-numeric: tabular-nums;
      }
      td:last-child {
        padding-right: 0;
        text-align: end;
      }
      .all {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        margin-block: 0.8rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Stored[]} */ this.models = [];
    /** @type {StorageEstimate} */ this.used = {};
    /** The model that is on its way. */ this.busy = "";
    this.message = "";
    this.persisted = true;
  }

  connectedCallback() {
    super.connectedCallback();
    void this.#count();
  }

  async #count() {
    try {
      this.models = await storedModels();
      this.used = await navigator.storage.estimate();
      this.persisted = await navigator.storage.persisted();
    } catch {
      this.message = "This browser does not say what it stores.";
    }
  }

  /** @param {Stored} model */
  async #keep({ id, title }) {
    this.busy = id;
    // Chosen by hand: worth asking the browser not to clear it by itself.
    this.persisted = await navigator.storage.persist().catch(() => false);
    try {
      await keep(id, (done, total) => (this.message = `${title}: ${megabytes(done)} of ${megabytes(total)}`));
      await this.#count();
      const whole = this.models.find((model) => model.id === id)?.whole;
      this.message = whole ? `${title} is kept for offline use.` : `${title} is not kept: this browser has no room for it.`;
    } catch (error) {
      this.message = error instanceof Error ? error.message : String(error);
      await this.#count();
    }
    this.busy = "";
  }

  /** @param {() => Promise<void>} work @param {string} said */
  async #clear(work, said) {
    await work();
    await this.#count();
    this.message = said;
  }

  render() {
    const { usage, quota } = this.used;
    const all = this.models.reduce((sum, { bytes }) => sum + bytes, 0);
    return html`<p>
        Models that you open stay on this device, so that they open at once and without a network.
        ${usage === undefined || quota === undefined ? nothing : html`This site uses ${megabytes(usage)} of the ${megabytes(quota)} that the browser allows.`}
        ${this.persisted ? nothing : "The browser may clear it when space runs short."}
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">On this device</th>
            <td></td>
          </tr>
        </thead>
        <tbody>
          ${this.models.map((model) => this.#row(model))}
        </tbody>
      </table>
      <div class="all">
        <button type="button" ?disabled=${all === 0} @click=${() => this.#clear(clearAll, "All models are cleared from this device.")}>
          Clear all models (${megabytes(all)})
        </button>
      </div>
      <p role="status">${this.message}</p>`;
  }

  /** @param {Stored} model */
  #row(model) {
    const { id, title, size, bytes, whole } = model;
    const offer = html`<button type="button" aria-label=${`Keep ${title} for offline`} ?disabled=${this.busy !== ""} @click=${() => this.#keep(model)}>
      ${this.busy === id ? "On its way" : `Keep for offline (${megabytes(size - bytes > 0 ? size - bytes : size)})`}
    </button>`;
    const off = html`<button type="button" aria-label=${`Clear ${title}`} ?disabled=${this.busy === id} @click=${() => this.#clear(() => clear(id), `${title} is cleared.`)}>
      Clear
    </button>`;
    return html`<tr>
      <th scope="row">${title}</th>
      <td>${bytes > 0 ? megabytes(bytes) : "–"}</td>
      <td>${whole ? off : offer}</td>
    </tr>`;
  }
}

customElements.define("pofx-storage", Storage);
