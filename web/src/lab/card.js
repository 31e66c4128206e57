// One model on the lab's table.

import { LitElement, css, html, nothing } from "lit";
import { kindOf, nats, percent } from "../ui/format.js";
import { shared } from "../ui/styles.js";
import { fields } from "../ui/field-styles.js";
import "../ui/controls.js";
import "./inside.js";
import "./plane.js";

/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("../lab-api.js").Data} Data */

/**
 * `<pofx-lab-card>`: properties `entry`, `data`, `probe`, `version` (counts changes of the entry), `shown` (what is drawn over the
 * field: points, samples). Events: `probe` (detail: a point), `step`, `player` (detail: which networks move), `again` (detail: settings,
 * or nothing for the same ones), `large`, `remove`, `save` (detail: a format, and the picture for "png"), `inside`, `time`.
 */
export class LabCard extends LitElement {
  static properties = {
    entry: { attribute: false },
    data: { attribute: false },
    probe: { attribute: false },
    version: { type: Number },
    shown: { attribute: false },
    opened: { state: true },
  };

  static styles = [
    shared,
    fields,
    css`
      :host {
        display: block;
        min-width: 0;
        padding: 1.1rem;
        background: var(--surface);
        border: 1px solid var(--line);
        border-radius: 0.9rem;
      }
      header {
        display: flex;
        align-items: baseline;
        justify-content: space-between;
        gap: 0.6rem;
        margin-bottom: 0.5rem;
      }
      h3 {
        margin: 0;
        font: 500 1.25rem/1.3 var(--serif);
      }
      .steps {
        color: var(--muted);
        font-size: 0.9375rem;
        font-variant-numeric: tabular-nums;
      }
      .answer {
        margin: 0.7rem 0 0;
        min-height: 3.1em;
        font-variant-numeric: tabular-nums;
      }
      .answer strong {
        font: 500 1.25rem/1.3 var(--serif);
      }
      .small {
        margin: 0.3rem 0 0;
        min-height: 1.5em;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .trouble {
        padding: 0.6rem 0.8rem;
        color: var(--bad);
        background: var(--bad-tint);
        border-radius: 0.6rem;
      }
      summary {
        padding-block: 0.4rem;
        cursor: pointer;
      }
      summary span {
        color: var(--muted);
      }
      .equation {
        margin: 0.2rem 0 0.6rem;
        overflow-x: auto;
        font-family: var(--serif);
      }
      .tools label {
        display: inline-flex;
        align-items: center;
        gap: 0.4rem;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.4rem;
        margin-top: 0.6rem;
      }
      /* On a phone a card is long, and as wide as it can be. */
      @media (max-width: 40rem) {
        summary {
          padding-block: 0.25rem;
        }
        .tools {
          gap: 0 0.2rem;
          margin-top: 0.2rem;
        }
        .large {
          display: none;
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Entry | undefined} */ this.entry = undefined;
    /** @type {Data | undefined} */ this.data = undefined;
    /** @type {[number, number]} */ this.probe = [0, 0];
    this.version = 0;
    this.shown = { points: true, samples: true };
    /** Chips that were opened. @type {Set<string>} */ this.opened = new Set();
  }

  /** Goes to the button that removes it. */
  focus() {
    /** @type {HTMLElement | null} */ (this.renderRoot.querySelector("[aria-label^='Remove']"))?.focus();
  }

  render() {
    const { entry, data } = this;
    if (!entry || !data) return nothing;
    const { form, held } = entry;
    return html`
      <header>
        <h3>${form.title}</h3>
        <span class="steps">${entry.learns ? `${entry.steps.toLocaleString("en")} ${entry.steps === 1 ? "step" : "steps"}` : "known"}</span>
      </header>
      <pofx-plane
        .window=${data.window}
        .field=${entry.field}
        .train=${this.shown.points ? data.train : []}
        .held=${this.shown.points ? data.heldOut : []}
        .samples=${this.shown.samples ? entry.samples : []}
        .probe=${this.probe}
        .score=${entry.probe?.score ?? null}
        label="Density of the ${form.title}. The arrow keys move the probe, with Shift in larger steps. The table below has its numbers."
        @probe=${this.#forward}
      ></pofx-plane>
      <p class="answer">${this.#answer()}</p>
      <p class="small">${held ? html`Held out: ${nats(held.nats, 2)}${held.std_error === null ? "" : ` ± ${held.std_error.toFixed(2)}`} nats a point${held.points === 1 ? ", of a single one" : ""}${held.impossible ? `, but for ${held.impossible} of ${held.points}, which are impossible` : ""}` : "Held out: not asked yet"}</p>
      ${entry.trouble ? html`<p class="trouble" role="alert">${entry.trouble} <button type="button" @click=${() => this.#tell("again")}>Start again</button></p>` : nothing}
      ${this.#chips()}
      <details ?open=${entry.inside} @toggle=${this.#onInside}>
        <summary>Look inside</summary>
        <pofx-inside .entry=${entry} .window=${data.window} .axes=${data.axes} .version=${this.version} @time=${this.#forward}></pofx-inside>
      </details>
      <div class="tools">
        ${entry.learns ? html`<button class="quiet" type="button" aria-label="One step of the ${form.title}" @click=${() => this.#tell("step")}>Step</button>` : nothing}
        ${form.family === "gan" ? this.#players() : nothing}
        <button class="quiet" type="button" aria-label="Reset the ${form.title}" @click=${() => this.#tell("again")}>Reset</button>
        <button class="quiet large" type="button" aria-pressed=${entry.large} @click=${() => this.#tell("large")}>Large</button>
        <button class="quiet" type="button" @click=${this.#onPng}>PNG</button>
        <button class="quiet" type="button" @click=${() => this.#tell("save", "csv")}>Samples (CSV)</button>
        ${entry.learns ? html`<button class="quiet" type="button" @click=${() => this.#tell("save", "safetensors")}>safetensors</button>` : nothing}
        ${NETWORKS.has(form.family) ? html`<button class="quiet" type="button" @click=${() => this.#tell("save", "onnx")}>ONNX</button>` : nothing}
        <button class="quiet" type="button" aria-label="Remove the ${form.title}" @click=${() => this.#tell("remove")}>Remove</button>
      </div>
    `;
  }

  #players() {
    return html`<label>Moves: <select @change=${(/** @type {Event} */ { target }) => this.#tell("player", /** @type {HTMLSelectElement} */ (target).value)}>
      ${PLAYERS.map(([player, title]) => html`<option value=${player} ?selected=${player === this.entry?.player}>${title}</option>`)}
    </select></label>`;
  }

  async #onPng() {
    const plane = /** @type {import("./plane.js").Plane | null} */ (this.renderRoot.querySelector("pofx-plane"));
    if (plane) this.#tell("save", { png: await plane.toBlob() });
  }

  #answer() {
    const probe = this.entry?.probe;
    if (!probe) return nothing;
    const error = probe.std_error === null ? "" : ` ± ${probe.std_error.toFixed(2)}`;
    return html`<strong>log <i>p</i>(<i>x</i>) = ${nats(probe.nats, 2)}${error} nats</strong> (${kindOf(/** @type {any} */ (probe))})<br />more likely than ${percent(probe.own)} of its own samples`;
  }

  #chips() {
    const { entry, data } = this;
    const about = entry?.card?.about ?? entry?.form.chips;
    if (!entry || !about) return nothing;
    const rows = /** @type {const} */ ([["Form", about.form], ["Loss", about.loss], ["Optimiser", about.optimiser]]);
    return html`
      <details><summary>Data: <span>${data?.name}</span></summary><p class="equation">x₁ … xₙ ~ p(x), n = ${(data?.train.length ?? 0) / 2}; ${(data?.heldOut.length ?? 0) / 2} more are held out</p></details>
      ${rows.map(
        ([name, chip]) => html`<details @toggle=${(/** @type {Event} */ { target }) => this.#onChip(name, /** @type {HTMLDetailsElement} */ (target).open)}>
          <summary>${name}: <span>${chip.words}</span></summary>
          <p class="equation" tabindex="0" role="group" aria-label="${name} as an equation">${chip.equation}</p>
          ${this.opened.has(name) && chip.controls.length > 0 ? html`<pofx-controls .controls=${chip.controls} .values=${entry.settings} @change=${this.#onControl}></pofx-controls>` : nothing}
        </details>`,
      )}
    `;
  }

  /** Controls are made when they are first seen. @param {string} name @param {boolean} open */
  #onChip(name, open) {
    if (open && !this.opened.has(name)) this.opened = new Set([...this.opened, name]);
  }

  /** @param {CustomEvent<{ name: string, value: unknown }>} event */
  #onControl({ detail: { name, value } }) {
    const settings = { ...this.entry?.settings, [name]: value };
    if (value === undefined) delete settings[name];
    this.#tell("again", settings);
  }

  /** @param {Event} event */
  #onInside(event) {
    const open = /** @type {HTMLDetailsElement} */ (event.target).open;
    if (this.entry && this.entry.inside !== open) this.#tell("inside", open);
  }

  /** @param {CustomEvent} event */
  #forward({ type, detail }) {
    this.#tell(type, detail);
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Families that have Programs. */
const NETWORKS = new Set(["vae", "gan", "diffusion", "transformer"]);

/** Which networks of a GAN move. */
const PLAYERS = [["both", "both networks"], ["discriminator", "the discriminator alone"], ["generator", "the generator alone"]];

customElements.define("pofx-lab-card", LabCard);
