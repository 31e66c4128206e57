// One picture, all models: tables by bits a value, on one footing, the models of the chosen one's data before all others.

import { LitElement, css, html, nothing } from "lit";
import { storedModels } from "../offline/models.js";
import { PofxError, models, open } from "../p-of-x.js";
import { answerable } from "./card.js";
import { asSentence, kindOf, megabytes, nats, percent, relation } from "./format.js";
import { shared } from "./styles.js";
import { tables } from "./table-styles.js";
import { bits, unit, verdict } from "./verdict.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Listed} Listed */
/** @typedef {import("./picture.js").Pixels} Pixels */

/** What one model says. @typedef {{ listed: Listed, estimate?: Estimate, failed?: string }} Row */

/**
 * `<pofx-compare>`: properties `pixels` (the picture), `data` (name of the chosen model's data), `seed`, `backend`. Events: `begin`,
 * `progress` (detail: Progress or nothing), `failed` (detail: PofxError), `say` (detail: a sentence).
 */
export class Compare extends LitElement {
  static properties = {
    pixels: { attribute: false },
    data: {},
    seed: {},
    backend: {},
    list: { state: true },
    missing: { state: true },
    rows: { state: true },
    busy: { state: true },
  };

  static styles = [
    shared,
    tables,
    css`
      /* Their words are long for a phone. */
      button {
        white-space: normal;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Pixels | undefined} */ this.pixels = undefined;
    this.data = "";
    this.seed = "0";
    this.backend = "auto";
    /** @type {Listed[]} */ this.list = [];
    /** Bytes of each model that are not on this device. @type {Map<string, number>} */ this.missing = new Map();
    /** @type {Row[]} */ this.rows = [];
    /** What is being done, in words. */
    this.busy = "";
  }

  #job = new AbortController();

  connectedCallback() {
    super.connectedCallback();
    void this.#count();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#job.abort();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("pixels") && !changed.has("data")) return;
    this.#job.abort();
    this.busy = "";
    this.rows = [];
  }

  /** Which models there are, and what of them would have to be downloaded. */
  async #count() {
    try {
      this.list = await models();
      this.missing = new Map((await storedModels()).map(({ id, size, bytes }) => [id, size - bytes]));
    } catch {
      // Whoever asks hears of it.
    }
  }

  /** The models that take such a picture: of the chosen one's data, or of all other. @param {boolean} other */
  #fit(other) {
    const { pixels } = this;
    return this.list.filter(({ image, data }) => {
      return (data !== this.data) === other && image.size === pixels?.width && image.channels === pixels.channels;
    });
  }

  /** @param {boolean} other whether models of other data are asked */
  async #compare(other) {
    const { pixels } = this;
    if (!pixels) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    this.rows = this.rows.filter(({ listed }) => (listed.data !== this.data) !== other);
    this.busy = "Looking for models";
    this.#tell("begin");
    try {
      this.list = await models();
      const fit = this.#fit(other);
      for (const [i, listed] of fit.entries()) {
        this.busy = `${listed.title} (${i + 1} of ${fit.length}, ${megabytes(listed.bytes)})`;
        const row = await this.#row(listed, pixels, signal);
        this.rows = [...this.rows, row].sort((a, b) => cost(a) - cost(b));
      }
      this.#tell("say", other ? "The models of other data have answered." : verdict(this.#answers(false)));
      void this.#count();
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

  /** Answers in the order of bits: of models of the chosen one's data, or of other. @param {boolean} other */
  #rowsOf(other) {
    return this.rows.filter(({ listed }) => !listed.binary && (listed.data !== this.data) === other);
  }

  /** Those that are a number. @param {boolean} other */
  #answers(other) {
    return this.#rowsOf(other).flatMap(({ listed: { title }, estimate }) => (estimate ? [{ title, estimate }] : []));
  }

  render() {
    const others = this.#fit(true);
    return html`
      <h3>How likely is it to the other models?</h3>
      <div class="tools">
        ${this.#button(false, `Compare all models of ${this.data}`)}
        ${others.length > 0 ? this.#button(true, "Ask models of other data, too") : nothing}
        ${this.busy ? html`<button type="button" @click=${this.#stop}>Stop</button>` : nothing}
      </div>
      ${this.busy ? html`<p class="note">Asking ${this.busy}.</p>` : nothing}
      ${this.#rowsOf(false).length > 0 ? this.#ofData() : nothing} ${this.#rowsOf(true).length > 0 ? this.#ofOtherData() : nothing}
      ${this.rows.length > 0 ? this.#footing() : nothing}
    `;
  }

  /** @param {boolean} other @param {string} text */
  #button(other, text) {
    const bytes = this.#fit(other).reduce((sum, { id }) => sum + (this.missing.get(id) ?? 0), 0);
    return html`<button type="button" ?disabled=${!this.pixels || Boolean(this.busy)} @click=${() => void this.#compare(other)}>
      ${text}${bytes > 0 ? ` (${megabytes(bytes)} to download)` : nothing}
    </button>`;
  }

  #ofData() {
    return html`${this.#table(false, `Models of ${this.data}`)}
      ${this.busy ? nothing : html`<p class="note">${verdict(this.#answers(false))}</p>`}
      ${this.rows.filter(({ listed }) => listed.binary && listed.data === this.data).map((row) => this.#binary(row))}`;
  }

  #ofOtherData() {
    return html`${this.#table(true, "Models of other data")}
      <p class="note">
        None of these has learned from ${this.data}. One may need fewer bits all the same, where its data are simpler or blank paper is common
        in them: likelihood alone does not tell what belongs to the data.
      </p>`;
  }

  /** A model of black and white pictures. @param {Row} row */
  #binary({ listed: { title }, estimate: e, failed }) {
    const says = e ? `log p(x) ${relation(e.kind)} ${nats(e.nats)} nats (${kindOf(e)}, ${e.estimator})` : asSentence(failed ?? "No answer");
    return html`<p class="note">
      ${title} is not in the table: it was asked about this picture in black and white, which is another and a much smaller set of pictures, so its number
      does not compare with these. It says ${says}${e ? "." : nothing}
    </p>`;
  }

  #footing() {
    return html`<p class="note">
      One footing: the same ${this.pixels?.width} × ${this.pixels?.height} picture of 256 levels, −log<sub>2</sub> p(x) over the number of values. Even noise costs
      8 bits. “≤” is a bound: the model may need less. “≈” may err on either side.
    </p>`;
  }

  /** @param {boolean} other @param {string} caption */
  #table(other, caption) {
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
      <table>
        <caption>${caption}<span class="hidden">, the lowest number first</span></caption>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Data</th>
            <th scope="col" class="number">Bits a value</th>
            <th scope="col">What it is</th>
            <th scope="col" class="number">Likelier than its test pictures</th>
          </tr>
        </thead>
        <tbody>
          ${this.#rowsOf(other).map((row) => this.#line(row))}
        </tbody>
      </table>
    </div>`;
  }

  /** @param {Row} row */
  #line({ listed: { title, data }, estimate: e, failed }) {
    const name = html`<th scope="row">${title}</th><td>${data}</td>`;
    if (!e) return html`<tr>${name}<td colspan="3">${asSentence(failed ?? "No answer")}</td></tr>`;
    if (e.nats === -Infinity) return html`<tr>${name}<td colspan="3">Impossible under this model (${e.estimator}).</td></tr>`;
    const error = e.std_error === null ? nothing : ` ± ${(e.std_error / unit(e)).toFixed(3)}`;
    // Fewer nats are more bits.
    const turned = { "≥": "≤", "≤": "≥" }[relation(e.kind)] ?? relation(e.kind);
    return html`<tr>
      ${name}
      <td class="number">${turned === "=" ? nothing : `${turned} `}${bits(e).toFixed(3)}${error}</td>
      <td>${kindOf(e)}, ${e.estimator}</td>
      <td class="number">${e.place.held_out === null ? "–" : percent(e.place.held_out)}</td>
    </tr>`;
  }
}

/** What failed comes last. @param {Row} row */
function cost({ estimate }) {
  return estimate && Number.isFinite(estimate.nats) ? bits(estimate) : Infinity;
}

customElements.define("pofx-compare", Compare);
