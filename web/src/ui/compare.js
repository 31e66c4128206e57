// One picture, all models: a table by bits a value, on one footing.

import { LitElement, css, html, nothing } from "lit";
import { PofxError, models, open } from "../p-of-x.js";
import { answerable } from "./card.js";
import { asSentence, kindOf, megabytes, percent, relation } from "./format.js";
import { shared } from "./styles.js";
import { tables } from "./table-styles.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Listed} Listed */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** What one model says. @typedef {{ listed: Listed, estimate?: Estimate, failed?: string }} Row */

/**
 * `<pofx-compare>`: properties `pixels` (the picture), `seed`, `backend`. Events: `begin`, `progress` (detail: Progress or
 * nothing), `failed` (detail: PofxError), `say` (detail: a sentence).
 */
export class Compare extends LitElement {
  static properties = {
    pixels: { attribute: false },
    seed: {},
    backend: {},
    rows: { state: true },
    busy: { state: true },
  };

  static styles = [
    shared,
    tables,
    css`
      tbody tr:first-child th {
        font-weight: 600;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Pixels | undefined} */ this.pixels = undefined;
    this.seed = "0";
    this.backend = "auto";
    /** @type {Row[]} */ this.rows = [];
    /** What is being done, in words. */
    this.busy = "";
  }

  #job = new AbortController();

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("pixels")) return;
    this.#job.abort();
    this.busy = "";
    this.rows = [];
  }

  async #compare() {
    const { pixels } = this;
    if (!pixels) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    this.rows = [];
    this.busy = "Looking for models";
    this.#tell("begin");
    try {
      const fit = (await models()).filter(({ image, binary }) => {
        return !binary && image.size === pixels.width && image.size === pixels.height && image.channels === pixels.channels;
      });
      for (const [i, listed] of fit.entries()) {
        this.busy = `${listed.title} (${i + 1} of ${fit.length}, ${megabytes(listed.bytes)})`;
        const row = await this.#row(listed, pixels, signal);
        this.rows = [...this.rows, row].sort((a, b) => bits(a) - bits(b));
      }
      const [best] = this.rows;
      if (best?.estimate) this.#tell("say", `${best.listed.title} needs the fewest bits: ${bits(best).toFixed(3)} a value.`);
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (error.code !== "aborted") this.#tell("failed", error);
    } finally {
      if (!signal.aborted) this.#end();
    }
  }

  /**
   * @param {Listed} listed
   * @param {Pixels} pixels
   * @param {AbortSignal} signal
   * @returns {Promise<Row>}
   */
  async #row(listed, pixels, signal) {
    const onProgress = (/** @type {import("../p-of-x.js").Progress} */ p) => this.#tell("progress", p);
    const backend = /** @type {import("../p-of-x.js").BackendChoice} */ (["webgpu", "cpu"].includes(this.backend) ? this.backend : "auto");
    /** @type {import("../p-of-x.js").Model | undefined} */
    let model;
    try {
      model = await open(listed.id, { backend, signal, onProgress });
      // What has no density of its own has one of its pictures with noise.
      const estimator = answerable(model.card).density ? "own" : "laplace";
      const image = { ...pixels, data: Uint8Array.from(pixels.data) };
      return { listed, estimate: await model.logProb(image, { estimator, seed: this.seed, signal, onProgress }) };
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (error.code === "aborted") throw error;
      return { listed, failed: error.message };
    } finally {
      model?.close();
    }
  }

  #end() {
    this.busy = "";
    this.#tell("progress", undefined);
  }

  #stop() {
    this.#job.abort();
    this.#end();
    this.#tell("say", "Stopped.");
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  render() {
    return html`
      <h3>How likely is it to the other models?</h3>
      <div class="tools">
        <button type="button" ?disabled=${!this.pixels || Boolean(this.busy)} @click=${() => void this.#compare()}>
          Compare all models on this picture
        </button>
        ${this.busy ? html`<button type="button" @click=${this.#stop}>Stop</button>` : nothing}
      </div>
      ${this.busy ? html`<p class="note">Asking ${this.busy}. Models that are not here yet are downloaded.</p>` : nothing}
      ${this.rows.length > 0 ? this.#table() : nothing}
    `;
  }

  #table() {
    return html`<div class="scroll" tabindex="0" role="region" aria-label="All models on this picture">
        <table>
          <caption class="hidden">All models on this picture, the one that needs the fewest bits first</caption>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" class="number">Bits a value</th>
              <th scope="col">What it is</th>
              <th scope="col" class="number">Likelier than its test pictures</th>
            </tr>
          </thead>
          <tbody>
            ${this.rows.map((row) => this.#line(row))}
          </tbody>
        </table>
      </div>
      <p class="note">
        One footing: the same ${this.pixels?.width} × ${this.pixels?.height} picture of 256 levels, −log<sub>2</sub> p(x) over the number of values. Even noise costs
        8 bits. “≤” is a bound: the model may need less. “≈” may err on either side.
      </p>`;
  }

  /** @param {Row} row */
  #line({ listed, estimate: e, failed }) {
    if (!e) return html`<tr><th scope="row">${listed.title}</th><td colspan="3">${asSentence(failed ?? "No answer")}</td></tr>`;
    const error = e.std_error === null ? nothing : ` ± ${(e.std_error / unit(e)).toFixed(3)}`;
    // Fewer nats are more bits.
    const turned = { "≥": "≤", "≤": "≥" }[relation(e.kind)] ?? relation(e.kind);
    return html`<tr>
      <th scope="row">${listed.title}</th>
      <td class="number">${turned === "=" ? nothing : `${turned} `}${bits({ listed, estimate: e }).toFixed(3)}${error}</td>
      <td>${kindOf(e)}, ${e.estimator}</td>
      <td class="number">${e.place.held_out === null ? "–" : percent(e.place.held_out)}</td>
    </tr>`;
  }
}

/** Nats in a bit a value: a colour has three values for every model. @param {Estimate} estimate */
function unit({ scored: { width, height, channels } }) {
  return width * height * channels * Math.LN2;
}

/** What failed comes last. @param {Row} row */
function bits({ estimate }) {
  return estimate && Number.isFinite(estimate.nats) ? -estimate.nats / unit(estimate) : Infinity;
}

customElements.define("pofx-compare", Compare);
