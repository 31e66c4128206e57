// What the page keeps on this device: models, runs of training and recent results, and the means to keep more or less of it.

import { LitElement, css, html, nothing } from "lit";
import { RUNS, forget, keptRuns, sizeOf, sizesOf } from "../ui/course.js";
import { megabytes } from "../ui/format.js";
import * as recent from "../ui/recent-store.js";
import { changes } from "../ui/store.js";
import { shared } from "../ui/styles.js";
import "../ui/sure.js";
import { clear, clearAll, keep, storedModels } from "./models.js";

/** @typedef {import("./models.js").Stored} Stored */
/** @typedef {import("../ui/course.js").Run} Run */

/** The databases whose records are counted. */
const KEPT = [RUNS, recent.RESULTS];

/** `<pofx-storage>`: the table of what is kept with its bytes, and the whole of what this site uses. */
export class Storage extends LitElement {
  static properties = {
    models: { state: true },
    runs: { state: true },
    results: { state: true },
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
      small {
        display: block;
        color: var(--muted);
        font-size: 0.875rem;
      }
      tfoot > tr > * {
        font-weight: 500;
      }
      td:last-child {
        --sure-width: 7.5rem;
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
        td:last-child {
          --sure-width: auto;
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
    /** Runs of training. @type {Run[]} */ this.runs = [];
    /** @type {recent.Result[]} */ this.results = [];
    /** @type {StorageEstimate} */ this.used = {};
    /** The model that is on its way. @type {{ id: string, done: number, total: number, stop: AbortController } | undefined} */
    this.coming = undefined;
    this.message = "";
    this.persisted = true;
  }

  connectedCallback() {
    super.connectedCallback();
    for (const database of KEPT) changes.addEventListener(database, this.#count);
    void this.#count();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const database of KEPT) changes.removeEventListener(database, this.#count);
    this.coming?.stop.abort();
  }

  #count = async () => {
    try {
      // A browser that keeps no records may keep models all the same.
      const records = Promise.all([keptRuns(), recent.results()]).catch(() => [[], []]);
      [this.models, [this.runs, this.results]] = await Promise.all([storedModels(), records]);
      this.used = await navigator.storage.estimate();
      this.persisted = await navigator.storage.persisted();
    } catch {
      this.message = "This browser does not say what it stores.";
    }
  };

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
    const failed = await work().then(
      () => "",
      (error) => `This browser did not delete it: ${error instanceof Error ? error.message : error}`,
    );
    await this.#count();
    this.message = failed || said;
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
            <th scope="col">What is kept</th>
            <th scope="col">On this device</th>
            <td></td>
          </tr>
        </thead>
        <tbody>
          ${this.models.map((model) => this.#row(model))}
        </tbody>
        <tbody>
          ${this.runs.map((run) => this.#runRow(run))} ${this.results.length > 0 ? this.#resultsRow() : nothing}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">All together</th>
            <td>${megabytes(all + this.runs.reduce((sum, run) => sum + sizeOf(run), recent.sizeOf(this.results)))}</td>
            <td></td>
          </tr>
        </tfoot>
      </table>
      <div class="all">
        <button type="button" ?disabled=${missing.length === 0 || this.coming !== undefined} @click=${() => this.#keep(missing)}>
          Keep all models${missing.length > 0 ? ` (${megabytes(left)})` : nothing}
        </button>
        <pofx-sure yes="Clear them" ?disabled=${all === 0 || this.coming !== undefined} @sure=${() => this.#clear(clearAll, "All models are cleared from this device.")}>
          Clear all models${all > 0 ? ` (${megabytes(all)})` : nothing}
        </pofx-sure>
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

  /** @param {Run} run */
  #runRow(run) {
    const { model, step, settings } = run;
    const { pictures, weights, moments } = sizesOf(run);
    const title = this.models.find(({ id }) => id === model)?.title ?? model;
    return html`<tr>
      <th scope="row">
        ${title} on your pictures, step ${step} of ${settings.steps}<small>pictures ${megabytes(pictures)}, weights ${megabytes(weights)}, moments ${megabytes(moments)}</small>
      </th>
      <td>${megabytes(sizeOf(run))}</td>
      <td>${this.#delete(`the run of ${title}`, () => forget(model), `The run of ${title} is deleted.`)}</td>
    </tr>`;
  }

  #resultsRow() {
    return html`<tr>
      <th scope="row">Recent results, ${this.results.length}</th>
      <td>${megabytes(recent.sizeOf(this.results))}</td>
      <td>${this.#delete("recent results", recent.forgetAll, "The recent results are deleted.")}</td>
    </tr>`;
  }

  /** @param {string} what @param {() => Promise<void>} work @param {string} said */
  #delete(what, work, said) {
    return html`<pofx-sure yes="Delete" @sure=${() => this.#clear(work, said)}>Delete <span class="hidden">${what}</span></pofx-sure>`;
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
