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
    coming: { state: true },
    message: { state: true },
    persisted: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
        max-width: 46rem;
        container-type: inline-size;
      }
      p {
        margin: 0.4rem 0 0.8rem;
        max-width: 62ch;
      }
      table {
        width: 100%;
        border-collapse: collapse;
      }
      th,
      td {
        padding: 0.2rem 0.8rem 0.2rem 0;
        border-top: 1px solid var(--line);
        text-align: start;
        font-weight: 400;
      }
      thead > tr > * {
        border-top: none;
        color: var(--muted);
      }
      td:nth-child(2) {
        color: var(--muted);
        font-variant-numeric: tabular-nums;
      }
      td:last-child {
        padding-right: 0;
        text-align: end;
      }
      td button {
        min-width: 7.5rem;
      }
      progress {
        display: block;
        width: 6rem;
        max-width: 100%;
        accent-color: var(--accent);
      }
      .all {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        margin-block: 0.8rem;
        padding-top: 0.8rem;
        border-top: 1px solid var(--line);
      }
      @container (max-width: 30rem) {
        th,
        td {
          padding-right: 0.5rem;
        }
        td button {
          min-width: 0;
          padding-inline: 0.7rem;
        }
        progress {
          width: 4rem;
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Stored[]} */ this.models = [];
    /** @type {StorageEstimate} */ this.used = {};
    /** The model that is on its way. @type {{ id: string, done: number, total: number, stop: AbortController } | undefined} */
    this.coming = undefined;
    this.message = "";
    this.persisted = true;
  }

  connectedCallback() {
    super.connectedCallback();
    void this.#count();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.coming?.stop.abort();
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

  /** One after the other, until one fails. @param {Stored[]} models */
  async #keep(models) {
    const stop = new AbortController();
    // Chosen by hand: worth asking the browser not to clear it by itself. Firefox asks the person, who may take time to answer.
    const persisted = (/** @type {boolean} */ granted) => void (this.persisted = granted);
    navigator.storage.persist().then(persisted, () => persisted(false));
    try {
      for (const { id, title, size } of models) {
        this.coming = { id, done: 0, total: size, stop };
        await keep(id, { signal: stop.signal, progress: (done, total) => (this.coming = { id, done, total, stop }) });
        await this.#count();
        if (!this.models.find((model) => model.id === id)?.whole) throw new Error(`${title} is not kept: this browser has no room for it.`);
      }
      const all = this.models.every(({ whole }) => whole);
      this.message = all ? "All models are kept for offline use." : `${models[0].title} is kept for offline use.`;
    } catch (error) {
      await this.#count();
      this.message = error instanceof Error ? error.message : String(error);
    }
    this.coming = undefined;
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
    const missing = this.models.filter(({ whole }) => !whole);
    const left = missing.reduce((sum, { size, bytes }) => sum + size - bytes, 0);
    return html`<p>
        The page itself works without a network after the first visit. Models that you open stay on this device, too.
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
        <button type="button" ?disabled=${missing.length === 0 || this.coming !== undefined} @click=${() => this.#keep(missing)}>
          Keep all models${missing.length > 0 ? ` (${megabytes(left)})` : nothing}
        </button>
        <button type="button" ?disabled=${all === 0 || this.coming !== undefined} @click=${() => this.#clear(clearAll, "All models are cleared from this device.")}>
          Clear all models${all > 0 ? ` (${megabytes(all)})` : nothing}
        </button>
      </div>
      <p role="status">${this.message}</p>`;
  }

  /** @param {Stored} model */
  #row(model) {
    const { id, title, size, bytes, whole } = model;
    const kept = whole ? megabytes(bytes) : bytes > 0 ? `${megabytes(bytes)} of ${megabytes(size)}` : "–";
    return html`<tr>
      <th scope="row">${title}</th>
      <td>${this.coming?.id === id ? this.#progress(title, this.coming) : kept}</td>
      <td>${this.#button(model)}</td>
    </tr>`;
  }

  /** @param {string} title @param {{ done: number, total: number }} coming */
  #progress(title, { done, total }) {
    return html`<progress aria-label=${`${title} on its way`} max=${total} .value=${done}></progress>${megabytes(done)} of ${megabytes(total)}`;
  }

  /** @param {Stored} model */
  #button(model) {
    const { id, title, size, bytes, whole } = model;
    const what = html`<span class="hidden">${title}</span>`;
    if (this.coming?.id === id) return html`<button type="button" @click=${() => this.coming?.stop.abort()}>Stop ${what}</button>`;
    const busy = this.coming !== undefined;
    if (whole) {
      return html`<button type="button" ?disabled=${busy} @click=${() => this.#clear(() => clear(id), `${title} is cleared.`)}>Clear ${what}</button>`;
    }
    return html`<button type="button" ?disabled=${busy} @click=${() => this.#keep([model])}>Keep ${what} (${megabytes(size - bytes)})</button>`;
  }
}

customElements.define("pofx-storage", Storage);
