// A picture as a value: from a file, dropped, pasted, or the one that is chosen elsewhere on the page.

import { LitElement, css, html, nothing } from "lit";
import { shared } from "./styles.js";
import { paint } from "./picture.js";

/** @typedef {import("./picture.js").Pixels} Pixels */

/**
 * `<pofx-picture-field>`: properties `value` (a File or Pixels; undefined: none), `choice` (Pixels that may be
 * used; undefined: none yet, null: never any), `label`;
 * event `change` (detail: value).
 */
export class PictureField extends LitElement {
  static properties = {
    value: { attribute: false },
    choice: { attribute: false },
    label: {},
    over: { state: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .field {
        display: flex;
        flex-wrap: wrap;
        gap: 1rem;
        padding: 0.8rem;
        border: 1px dashed var(--control);
        border-radius: 0.75rem;
      }
      .field.over {
        border-color: var(--accent);
        background: var(--tint);
      }
      .shown {
        width: 7rem;
        height: 7rem;
        flex: none;
        display: grid;
        place-items: center;
        background: var(--pofx-paper, #fff);
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        overflow: hidden;
        color: var(--muted);
        font-size: 0.9375rem;
        text-align: center;
      }
      canvas,
      img {
        width: 100%;
        height: 100%;
        object-fit: contain;
        image-rendering: pixelated;
      }
      canvas.ink {
        filter: var(--pofx-ink-filter, none);
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        align-content: flex-start;
        flex: 1 1 11rem;
      }
      p {
        margin: 0;
        flex-basis: 100%;
        color: var(--muted);
        font-size: 0.9375rem;
      }
    `,
  ];

  /** The address of the file that is shown. @type {string | undefined} */ #url;

  constructor() {
    super();
    /** @type {File | Pixels | undefined} */ this.value = undefined;
    /** @type {Pixels | undefined | null} */ this.choice = undefined;
    this.label = "Picture";
    this.over = false;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#forget();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("value")) return;
    this.#forget();
    if (this.value instanceof Blob) this.#url = URL.createObjectURL(this.value);
  }

  render() {
    const { value } = this;
    return html`<div
      class="field ${this.over ? "over" : ""}"
      role="group"
      aria-label=${this.label}
      tabindex="0"
      @dragover=${this.#onDragOver}
      @dragleave=${() => (this.over = false)}
      @drop=${this.#onDrop}
      @paste=${this.#onPaste}
    >
      <div class="shown">${this.#shown()}</div>
      <div class="tools">
        <button type="button" @click=${this.#open}>Open picture…</button>
        ${this.choice === null
          ? nothing
          : html`<button type="button" ?disabled=${!this.choice} @click=${() => this.#tell(this.choice ?? undefined)}>Use the chosen picture</button>`}
        ${value ? html`<button type="button" @click=${() => this.#tell(undefined)}>Remove</button>` : nothing}
        <input class="hidden" type="file" accept="image/*" tabindex="-1" aria-hidden="true" @change=${this.#onFile} />
        <p>Or drop a picture here, or paste one while this field has the focus.</p>
      </div>
    </div>`;
  }

  #shown() {
    if (this.value instanceof Blob) return html`<img src=${this.#url ?? ""} alt=${this.value.name || "The picture"} />`;
    return this.value ? html`<canvas role="img" aria-label="The chosen picture"></canvas>` : "No picture";
  }

  updated() {
    const canvas = this.renderRoot.querySelector("canvas");
    if (canvas && this.value && !(this.value instanceof Blob)) paint(canvas, this.value);
  }

  #open() {
    this.renderRoot.querySelector("input")?.click();
  }

  /** @param {Event} event */
  #onFile(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = "";
    if (file) this.#tell(file);
  }

  /** @param {DragEvent} event */
  #onDragOver(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.over = true;
  }

  /** @param {DragEvent} event */
  #onDrop(event) {
    this.over = false;
    this.#take(event, event.dataTransfer);
  }

  /** @param {ClipboardEvent} event */
  #onPaste(event) {
    this.#take(event, event.clipboardData);
  }

  /** The page's own place for files is not to take it too. @param {Event} event @param {DataTransfer | null} data */
  #take(event, data) {
    const file = data?.files[0];
    if (!file || /\.safetensors$/i.test(file.name)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#tell(file);
  }

  /** @param {File | Pixels | undefined} value */
  #tell(value) {
    this.dispatchEvent(new CustomEvent("change", { detail: { value } }));
  }

  #forget() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = undefined;
  }
}

customElements.define("pofx-picture-field", PictureField);
