// Which value of a label a picture most likely has: p(label | x) by Bayes' rule.

import { LitElement, css, html, nothing } from "lit";
import { PofxError } from "../p-of-x.js";
import { asSentence, nats, percent } from "./format.js";
import { shared } from "./styles.js";
import { tables } from "./table-styles.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("../p-of-x.js").Posterior} Found */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** Values that are shown: the likeliest. */
const SHOWN = 6;

/**
 * `<pofx-posterior>`: properties `model`, `pixels` (the picture), `seed`. Events: `begin`, `progress` (detail: Progress or
 * nothing), `failed` (detail: PofxError), `say` (detail: a sentence).
 */
export class PosteriorOf extends LitElement {
  static properties = {
    model: { attribute: false },
    pixels: { attribute: false },
    seed: {},
    found: { state: true },
    busy: { state: true },
  };

  static styles = [
    shared,
    tables,
    css`
      td.bar {
        width: 40%;
      }
      td.bar svg {
        display: block;
        width: 100%;
        height: 0.75rem;
        fill: var(--accent);
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Model | undefined} */ this.model = undefined;
    /** @type {Pixels | undefined} */ this.pixels = undefined;
    this.seed = "0";
    /** @type {Found | undefined} */ this.found = undefined;
    this.busy = false;
  }

  #job = new AbortController();

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("pixels") && !changed.has("model")) return;
    this.#job.abort();
    this.busy = false;
    this.found = undefined;
  }

  /** @param {string} label */
  async #ask(label) {
    const { model, pixels } = this;
    if (!model || !pixels) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    this.busy = true;
    this.#tell("begin");
    try {
      const onProgress = (/** @type {import("../p-of-x.js").Progress} */ p) => this.#tell("progress", p);
      this.found = await model.posterior({ ...pixels, data: Uint8Array.from(pixels.data) }, { label, seed: this.seed, signal, onProgress });
      const [best] = likeliest(this.found);
      this.#tell("say", `Of all values of ${label}, ${best.value} is the likeliest: ${percent(100 * best.probability)}.`);
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (error.code !== "aborted") this.#tell("failed", error);
    } finally {
      if (!signal.aborted) {
        this.busy = false;
        this.#tell("progress", undefined);
      }
    }
  }

  #stop() {
    this.#job.abort();
    this.busy = false;
    this.#tell("progress", undefined);
    this.#tell("say", "Stopped.");
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  render() {
    const labels = this.model?.card.labels ?? [];
    return html`
      <h3>Which ${labels.length === 1 ? labels[0].name : "label"} is it?</h3>
      <div class="tools">
        ${labels.map(
          ({ name }) => html`<button type="button" ?disabled=${!this.pixels || this.busy} @click=${() => void this.#ask(name)}>
            p(${name} | x)
          </button>`,
        )}
        ${this.busy ? html`<button type="button" @click=${this.#stop}>Stop</button>` : nothing}
      </div>
      <div aria-live="polite">${this.found ? this.#table(this.found) : nothing}</div>
    `;
  }

  /** @param {Found} found */
  #table(found) {
    const shown = likeliest(found).slice(0, SHOWN);
    const rest = found.values.length - shown.length;
    const exact = found.kind === "exact" ? "exact" : "made of bounds and estimates, so no more than an estimate itself";
    return html`<table>
        <caption class="hidden">Probabilities of ${found.label}, the likeliest first</caption>
        <thead>
          <tr><th scope="col">${found.label}</th><th scope="col">p(${found.label} | x)</th><th scope="col" class="number">log p(x | ${found.label})</th></tr>
        </thead>
        <tbody>
          ${shown.map(
            ({ value, probability, nats: given, std_error }) => html`<tr>
              <th scope="row">${value}</th>
              <td class="bar">
                <svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true"><rect width=${100 * probability} height="12"></rect></svg>
                ${percent(100 * probability)}
              </td>
              <td class="number">${nats(given)}${std_error === null ? nothing : ` ± ${std_error.toFixed(1)}`}</td>
            </tr>`,
          )}
        </tbody>
      </table>
      <p class="note">
        ${rest > 0 ? `And ${rest} less likely ones. ` : nothing}${asSentence(`by Bayes’ rule, all values alike before the picture is seen; ${exact} (${found.estimator})`)}
      </p>`;
  }
}

/** @param {Found} found */
function likeliest({ values }) {
  return [...values].sort((a, b) => b.probability - a.probability || b.nats - a.nats);
}

customElements.define("pofx-posterior", PosteriorOf);
