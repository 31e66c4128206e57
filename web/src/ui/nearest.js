// The picture that a generator draws most nearly like a given one, and how far that is.

import { LitElement, css, html, nothing } from "lit";
import { PofxError } from "../p-of-x.js";
import { shared } from "./styles.js";
import { tables } from "./table-styles.js";
import "./picture.js";

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("./picture.js").Pixels} Pixels */

/**
 * `<pofx-nearest>`: properties `model`, `pixels` (the picture), `seed`. Events: `begin`, `progress` (detail: Progress or
 * nothing), `failed` (detail: PofxError), `say` (detail: a sentence).
 */
export class Nearest extends LitElement {
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
      .pair {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 9rem));
        gap: 1.2rem;
        margin-top: 0.8rem;
      }
      figure {
        margin: 0;
      }
      figcaption {
        color: var(--muted);
        font-size: 0.9375rem;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Model | undefined} */ this.model = undefined;
    /** @type {Pixels | undefined} */ this.pixels = undefined;
    this.seed = "0";
    /** @type {{ nearest: Pixels, distance: number } | undefined} */ this.found = undefined;
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

  async #find() {
    const { model, pixels } = this;
    if (!model || !pixels) return;
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    this.busy = true;
    this.#tell("begin");
    try {
      const onProgress = (/** @type {import("../p-of-x.js").Progress} */ p) => this.#tell("progress", p);
      const image = { ...pixels, data: Uint8Array.from(pixels.data) };
      const { nearest, distance } = await model.encode(image, { seed: this.seed, signal, onProgress });
      this.found = { nearest: { ...pixels, data: nearest }, distance };
      this.#tell("say", `The nearest picture that was found differs by ${distance.toFixed(3)} a value.`);
    } catch (thrown) {
      const error = PofxError.from(thrown);
      if (error.code !== "aborted") this.#tell("failed", error);
    } finally {
      if (!signal.aborted) this.#end();
    }
  }

  #end() {
    this.busy = false;
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
      <h3>How near does it come to this picture?</h3>
      <div class="tools">
        <button type="button" ?disabled=${!this.pixels || this.busy} @click=${() => void this.#find()}>Find the nearest picture it draws</button>
        ${this.busy ? html`<button type="button" @click=${this.#stop}>Stop</button>` : nothing}
      </div>
      ${this.found ? this.#pair(this.found) : nothing}
    `;
  }

  /** @param {{ nearest: Pixels, distance: number }} found */
  #pair({ nearest, distance }) {
    return html`<div class="pair">
        <figure><pofx-picture .pixels=${this.pixels} label="The picture that was given"></pofx-picture><figcaption>given</figcaption></figure>
        <figure><pofx-picture .pixels=${nearest} label="The nearest picture that the model draws"></pofx-picture><figcaption>nearest that was found</figcaption></figure>
      </div>
      <p class="note">
        Root mean square distance ${distance.toFixed(3)} a value, where black to white is 1; 0 would be a picture that the generator draws itself.
        The search goes down from eight latents and may miss the nearest one.
      </p>`;
  }
}

customElements.define("pofx-nearest", Nearest);
