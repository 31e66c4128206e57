// The lab: data of the plane, and models of every family that learn it side by side, all asked about one point.

import { LitElement, html, nothing } from "lit";
import { PofxError } from "../engine/errors.js";
import { save } from "../export/save.js";
import { Lab } from "../lab-api.js";
import { FileDrops } from "../ui/file-drops.js";
import { kindOf, nats, percent } from "../ui/format.js";
import { shared } from "../ui/styles.js";
import { tables } from "../ui/table-styles.js";
import "./card.js";
import "./drawing.js";
import { Entry } from "./entry.js";
import { fields } from "../ui/field-styles.js";
import { filesOf, readTable } from "./files.js";
import { labStyles } from "./lab-styles.js";
import { PLAIN, START, followLink, formatLab, isInLink, round } from "./state.js";
import "../ui/chart.js";
import "./steer.js";
import "./table-field.js";
import "./tour.js";

/** @typedef {import("../lab-api.js").Data} Data */
/** @typedef {import("../lab-api.js").Source} Source */
/** @typedef {import("../lab-api.js").LabForm} LabForm */
/** @typedef {import("../lab-api.js").LabSet} LabSet */
/** @typedef {import("./state.js").ModelState} ModelState */
/** @typedef {import("./state.js").Wish} Wish */

/** What stands on the table at first. */
const FAMILIES = ["gaussian", "mixture", "vae", "gan", "diffusion", "transformer"];
const SIZES = [200, 500, 1000, 2000, 4000];
/** Least milliseconds between two looks at the models while they learn, and how many times as long as a look they learn. */
const LOOK = 500;
const LEARN = 2;
/** Milliseconds of one turn of a model, short, so that the others and the probe wait little; and of the pause after all had theirs. */
const SPEEDS = { slow: { turn: 0, pause: 400 }, normal: { turn: 50, pause: 0 }, fast: { turn: 250, pause: 0 } };
/** What is drawn on before there are points. @type {Data["window"]} */
const EMPTY = { x: [-3, 3], y: [-3, 3] };

/**
 * `<pofx-lab>`: attribute `backend`. Reads and writes its part of the page's address if `linked`; else it begins with `setting`, what such
 * an address says, and tells changes as `statechange` (detail: the same). Other events: `ready` (data and models are there), `failed`
 * (detail: the PofxError, whose sentence is also shown here).
 */
export class LabElement extends LitElement {
  static properties = { backend: {}, linked: { type: Boolean }, setting: {}, version: { state: true }, shown: { state: true }, plotted: { state: true }, speed: { state: true } };

  static styles = [shared, tables, fields, labStyles];

  constructor() {
    super();
    /** @type {import("../lab-api.js").BackendChoice} */ this.backend = "auto";
    this.linked = true;
    this.setting = "";
    this.version = 0;
    this.shown = { points: true, samples: true };
    this.plotted = "held-out";
    /** @type {keyof typeof SPEEDS} */ this.speed = "normal";
  }

  /** @type {Lab | undefined} */ #lab;
  /** @type {LabForm[]} */ #forms = [];
  /** @type {LabSet[]} */ #sets = [];
  /** @type {Data | undefined} */ #data;
  /** Where the data come from. @type {Source} */ #source = START;
  /** @type {Entry[]} */ #entries = [];
  /** @type {[number, number]} */ #probe = [0, 0];
  /** What is wanted of all models. @type {Wish} */ #wish = PLAIN;
  #playing = false;
  /** What went wrong, as a sentence. */ #trouble = "";
  /** Why other data are shown than a link asked for. */ #note = "";
  #asking = false;
  #askAgain = false;
  #drawing = false;
  /** Counts data sets and resets: what belongs to an older one is not shown. */ #round = 0;
  #files = new FileDrops(this, (file) => void this.#take(file), (csv) => void this.#load({ csv, seed: 1 }));

  connectedCallback() {
    super.connectedCallback();
    if (this.hasUpdated) void this.#start();
  }

  firstUpdated() {
    void this.#start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#playing = false;
    this.#round += 1;
    this.#lab?.close();
    this.#lab = this.#data = undefined;
  }

  async #start() {
    this.#trouble = "";
    this.#changed();
    try {
      this.#lab ??= new Lab({ backend: this.backend });
      [this.#forms, this.#sets] = await Promise.all([this.#lab.forms(), this.#lab.sets()]);
      const { state: linked, source, note } = followLink(this.linked ? location.hash : this.setting, this.#sets);
      const families = linked?.models ?? FAMILIES.map((family) => ({ family, settings: {}, seed: 1, moves: [] }));
      [this.#source, this.#note] = [source, note];
      this.#wish = linked?.wish ?? PLAIN;
      // A probe of other data may be far from these.
      await this.#load(this.#source, families, note ? undefined : linked?.probe);
      if (!linked) this.#playAlone();
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Takes other data; the models learn them from the start.
   * @param {Source} source
   * @param {ModelState[]} [models] by default those on the table
   * @param {[number, number]} [probe]
   */
  async #load(source, models, probe) {
    const round = (this.#round += 1);
    const lab = this.#lab;
    if (!lab) return;
    try {
      const data = await lab.data(source);
      if (round !== this.#round) return;
      this.#trouble = "";
      if (source !== this.#source) this.#note = "";
      const first = !this.#data;
      this.#data?.close();
      [this.#data, this.#source] = [data, source];
      const { x, y } = data.window;
      if (this.#wish.class !== null && this.#wish.class >= data.classes.length) this.#wish = { ...this.#wish, class: null };
      this.#probe = probe ?? [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
      if (models) {
        for (const entry of this.#entries) entry.card?.close();
        this.#entries = models.flatMap(({ family, settings, seed }) => {
          const form = this.#forms.find((form) => form.family === family);
          return form ? [this.#entry(form, settings, seed)] : [];
        });
      }
      this.#changed();
      if (first) this.#tell("ready");
      for (const [i, entry] of this.#entries.entries()) {
        await entry.open(lab, data, models?.[i]?.moves);
        await this.#look(entry, false);
        if (round !== this.#round) return;
        this.#changed();
      }
      this.#remember();
      if (!this.#playing) await this.#rest(round);
    } catch (error) {
      this.#fail(error);
    }
  }

  #changed() {
    this.version += 1;
  }

  /** @param {LabForm} form @param {Record<string, any>} settings @param {number} seed */
  #entry(form, settings, seed) {
    return new Entry(form, settings, seed, (error) => this.#tell("failed", error));
  }

  /** @param {unknown} thrown */
  #fail(thrown) {
    const error = PofxError.from(thrown);
    this.#trouble = error.message;
    this.#changed();
    this.#tell("failed", error);
  }

  /** @param {string} name @param {PofxError} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #play() {
    if (this.#playing) return;
    this.#playing = true;
    this.#changed();
    void this.#loop();
  }

  /** Plays without being asked, for those who have not asked for less motion. */
  #playAlone() {
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.#play();
  }

  #pause() {
    this.#playing = false;
    this.#changed();
  }

  /** Turn by turn, model by model; now and then what is shown is made anew. */
  async #loop() {
    let next = 0;
    while (this.#playing) {
      const learners = this.#entries.filter((entry) => entry.card && entry.learns && !entry.trouble);
      for (const entry of learners) {
        if (this.#playing) await entry.turn(SPEEDS[this.speed].turn);
      }
      const pause = learners.length === 0 ? 100 : SPEEDS[this.speed].pause;
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      if (performance.now() > next) {
        const from = performance.now();
        for (const entry of this.#entries) await this.#look(entry, false);
        next = performance.now() + Math.max(LOOK, LEARN * (performance.now() - from));
      }
      this.#changed();
    }
    this.#remember();
    await this.#rest(this.#round);
  }

  /** What is shown, finely. @param {number} round */
  async #rest(round) {
    for (const entry of this.#entries) {
      if (this.#playing || round !== this.#round || !this.#lab) return;
      await this.#look(entry, true);
      this.#changed();
    }
  }

  /** @param {Entry[]} entries */
  async #step(entries) {
    this.#pause();
    for (const entry of entries) await entry.train(1);
    this.#changed();
    this.#remember();
    await this.#rest(this.#round);
  }

  /** What is wanted, as one model understands it. @param {Entry} entry */
  #how({ form }) {
    const { given, ...how } = this.#wish;
    const fixed = /** @type {[number | null, number | null]} */ (this.#probe.map((v, i) => (i === given ? v : null)));
    return { ...how, class: form.classes ? how.class : null, fixed };
  }

  /** @param {Entry} entry @param {boolean} resting */
  #look(entry, resting) {
    return entry.look(this.#probe, this.#how(entry), resting);
  }

  /** @param {Wish} wish */
  async #steer(wish) {
    this.#wish = wish;
    this.#changed();
    for (const entry of this.#entries) {
      entry.stale();
      await this.#look(entry, !this.#playing);
      this.#changed();
    }
    this.#remember();
  }

  /** @param {[number, number]} x */
  async #ask(x) {
    // As the address has it.
    this.#probe = [round(x[0]), round(x[1])];
    this.#changed();
    if (this.#asking) {
      this.#askAgain = true;
      return;
    }
    this.#asking = true;
    do {
      this.#askAgain = false;
      for (const entry of this.#entries) await entry.ask(this.#probe, this.#how(entry));
      this.#changed();
    } while (this.#askAgain);
    this.#asking = false;
    this.#remember();
  }

  /** @param {Entry} entry @param {Record<string, any>} [settings] */
  async #again(entry, settings = entry.settings) {
    entry.settings = settings;
    if (!this.#lab || !this.#data) return;
    await entry.open(this.#lab, this.#data);
    await this.#look(entry, !this.#playing);
    this.#changed();
    this.#remember();
  }

  /** @param {string} family */
  async #add(family) {
    const form = this.#forms.find((form) => form.family === family);
    if (!form) return;
    const entry = this.#entry(form, {}, 1 + this.#entries.length);
    this.#entries = [...this.#entries, entry];
    this.#changed();
    await this.#again(entry);
  }

  /** @param {Entry} entry */
  async #remove(entry) {
    entry.card?.close();
    const at = this.#entries.indexOf(entry);
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#changed();
    this.#remember();
    await this.updateComplete;
    // With the last card its focus would be lost.
    /** @type {NodeListOf<HTMLElement>} */ (this.renderRoot.querySelectorAll("pofx-lab-card"))[Math.min(at, this.#entries.length - 1)]?.focus();
  }

  /** Puts the state into the address. */
  #remember() {
    const source = this.#source;
    const models = this.#entries.map(({ state }) => state);
    const state = {
      set: "set" in source ? source.set : undefined,
      n: "set" in source ? (source.n ?? START.n) : 0,
      seed: Number(source.seed ?? 0),
      points: "points" in source ? source.points : undefined,
      models,
      probe: this.#probe,
      wish: this.#wish,
    };
    if (this.linked) return history.replaceState(null, "", formatLab(location.hash, state));
    this.dispatchEvent(new CustomEvent("statechange", { detail: formatLab("", state).slice(1), bubbles: true, composed: true }));
  }

  /** @param {File} file */
  async #take(file) {
    try {
      await this.#load({ csv: await readTable(file), seed: 1 });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {Entry} entry @param {string | { png: Blob }} format */
  async #save(entry, format) {
    try {
      if (typeof format === "object") return save({ name: `${entry.form.family}-${entry.steps}.png`, type: "image/png", content: format.png });
      for (const file of await filesOf(entry, format, this.#how(entry), this.#data?.axes ?? [])) save(file);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {import("./tour.js").Stop} stop of the tour */
  async #visit({ set, families }) {
    await this.#load({ set, n: 1000, seed: 1 }, families.map((family) => ({ family, settings: {}, seed: 1, moves: [] })));
    this.#playAlone();
  }

  /** Shows where points are drawn, or the models again. @param {boolean} drawing */
  #draw(drawing) {
    if (drawing) this.#pause();
    this.#drawing = drawing;
    this.#changed();
  }

  // ---- the picture -------------------------------------------------------------------------------------------------

  render() {
    return html`
      <pofx-lab-tour @stop=${(/** @type {CustomEvent<import("./tour.js").Stop>} */ { detail }) => void this.#visit(detail)}></pofx-lab-tour>
      <section class="panel" aria-labelledby="data-title">${this.#renderData()}</section>
      ${this.#data && !this.#drawing ? this.#renderTable() : nothing}
    `;
  }

  #renderData() {
    const source = this.#source;
    const set = "set" in source ? source.set : "";
    const n = "set" in source ? (source.n ?? START.n) : START.n;
    const seed = Number(source.seed ?? 0);
    const real = this.#sets.find(({ id }) => id === set)?.real;
    const change = (/** @type {object} */ more) => void this.#load({ set: set || START.set, n, seed, ...more });
    const value = (/** @type {Event} */ { target }) => /** @type {HTMLInputElement} */ (target).value;
    return html`
      <h2 id="data-title">Data</h2>
      <div class="tools">
        <label>Points of <select class="sets" @change=${(/** @type {Event} */ e) => change({ set: value(e) })}>
          ${set ? nothing : html`<option selected disabled>${this.#data?.name ?? ""}</option>`}
          ${this.#sets.map(({ id, title }) => html`<option value=${id} ?selected=${id === set}>${title}</option>`)}
        </select></label>
        <label>Number <select ?disabled=${!set || real} @change=${(/** @type {Event} */ e) => change({ n: Number(value(e)) })}>
          ${[...new Set([...SIZES, n])].sort((a, b) => a - b).map((size) => html`<option ?selected=${size === n}>${size}</option>`)}
        </select></label>
        <label>Seed <input class="seed" inputmode="numeric" .value=${String(seed)} ?disabled=${!set} @change=${(/** @type {Event} */ e) => change({ seed: value(e) })} /></label>
        <button type="button" aria-pressed=${this.#drawing} @click=${() => this.#draw(!this.#drawing)}>Draw points</button>
        <button type="button" @click=${() => this.renderRoot.querySelector("input[type=file]")?.dispatchEvent(new MouseEvent("click"))}>Open table…</button>
        <input class="hidden" type="file" accept=".csv,.tsv,.txt,text/csv" tabindex="-1" aria-hidden="true" @change=${this.#onFile} />
      </div>
      <pofx-lab-table @table=${(/** @type {CustomEvent<string>} */ { detail: csv }) => void this.#load({ csv, seed: 1 })}></pofx-lab-table>
      ${this.#trouble ? this.#renderTrouble() : nothing}
      ${this.#note ? html`<p class="sub" role="status">${this.#note}</p>` : nothing}
      ${this.linked && this.#data && !isInLink(source) ? html`<p class="sub">These points are not in the address of this page: a table, or more than 500 drawn points, stay on this device. Who opens the link, or loads the page again, has to give them again.</p>` : nothing}
      ${(this.#data?.notices ?? []).map((notice) => html`<p class="sub">${notice}</p>`)}
      ${this.#drawing
        ? html`<pofx-lab-drawing .window=${this.#data?.window ?? EMPTY} @cancel=${() => this.#draw(false)}
            @drawn=${(/** @type {CustomEvent<Float32Array>} */ { detail: points }) => { this.#draw(false); void this.#load({ points, seed: 1 }); }}></pofx-lab-drawing>`
        : html`<p class="sub legend"><span class="dot"></span> to learn from <span class="ring"></span> held out <span class="disc"></span> samples of the model <span class="cross"></span> the probe, with the gradient of log p</p>`}
    `;
  }

  #renderTrouble() {
    // Where there is nothing yet, it could not begin.
    const again = this.#data ? nothing : html` <button type="button" @click=${() => void this.#start()}>Try again</button>`;
    return html`<p class="trouble" role="alert">${this.#trouble}${again}</p>`;
  }

  #renderTable() {
    const rest = this.#forms.filter(({ family }) => family !== "truth" || this.#data?.truth);
    return html`
      <div class="tools bar">
        ${this.#playing
          ? html`<button class="primary" type="button" @click=${() => this.#pause()}>Pause</button>`
          : html`<button class="primary" type="button" @click=${() => this.#play()}>Play</button>`}
        <button type="button" @click=${() => void this.#step(this.#entries)}>One step</button>
        <button type="button" @click=${() => void this.#load(this.#source, this.#entries.map(({ state }) => ({ ...state, moves: [] })), this.#probe)}>Reset all</button>
        <label>Speed <select @change=${(/** @type {Event} */ { target }) => (this.speed = /** @type {keyof typeof SPEEDS} */ (/** @type {HTMLSelectElement} */ (target).value))}>
          ${Object.keys(SPEEDS).map((speed) => html`<option ?selected=${speed === this.speed}>${speed}</option>`)}
        </select></label>
        <label>Add <select @change=${this.#onAddModel}>
          <option selected>a model…</option>
          ${rest.map(({ family, title }) => html`<option value=${family}>${title}</option>`)}
        </select></label>
        ${/** @type {const} */ (["points", "samples"]).map(
          (name) => html`<label><input type="checkbox" .checked=${this.shown[name]} @change=${() => (this.shown = { ...this.shown, [name]: !this.shown[name] })} /> ${name}</label>`,
        )}
      </div>
      <pofx-steer .wish=${this.#wish} .classes=${this.#data?.classes ?? []} .axes=${this.#data?.axes} @wish=${(/** @type {CustomEvent} */ { detail }) => void this.#steer(detail)}></pofx-steer>
      <div class="cards">
        ${this.#entries.map(
          (entry) => html`<pofx-lab-card
            class=${entry.large ? "large" : ""}
            .entry=${entry}
            .data=${this.#data}
            .probe=${this.#probe}
            .version=${this.version}
            .shown=${this.shown}
            @probe=${(/** @type {CustomEvent} */ { detail }) => void this.#ask(detail)}
            @again=${(/** @type {CustomEvent} */ { detail }) => void this.#again(entry, detail ?? undefined)}
            @step=${() => void this.#step([entry])}
            @player=${(/** @type {CustomEvent} */ { detail }) => { entry.player = detail; this.#changed(); }}
            @large=${() => { entry.large = !entry.large; this.#changed(); }}
            @remove=${() => void this.#remove(entry)}
            @save=${(/** @type {CustomEvent} */ { detail }) => void this.#save(entry, detail)}
            @inside=${(/** @type {CustomEvent} */ { detail }) => { entry.inside = detail; void this.#ask(this.#probe); }}
            @time=${(/** @type {CustomEvent} */ { detail }) => { entry.time = detail; void this.#ask(this.#probe); }}
          ></pofx-lab-card>`,
        )}
      </div>
      <section class="panel" aria-labelledby="probe-title">
        <h2 id="probe-title">One point, asked of all</h2>
        <p class="sub">x = (${this.#probe.map((v) => nats(v, 2)).join(", ")}): drag over any density, or use the arrow keys on one.</p>
        <div class="scroll" tabindex="0" role="group" aria-label="log p of the probe under every model">${this.#renderProbe()}</div>
      </section>
      <section class="panel" aria-labelledby="chart-title">
        <h2 id="chart-title">Against steps</h2>
        <label>Show <select @change=${(/** @type {Event} */ { target }) => (this.plotted = /** @type {HTMLSelectElement} */ (target).value)}>
          <option value="held-out">held-out log p, nats a point</option><option value="loss">loss</option>
        </select></label>
        <pofx-chart .lines=${this.#lines()} label=${this.plotted === "loss" ? "Loss" : "Held-out log p"}></pofx-chart>
      </section>
    `;
  }

  #renderProbe() {
    const row = (/** @type {Entry} */ { form, probe, held }, /** @type {number} */ i) => html`<tr>
      <th scope="row">${form.title}${this.#entries.findIndex((entry) => entry.form === form) < i ? ` ${i + 1}` : ""}</th>
      <td class="number">${probe ? nats(probe.nats, 2) : "–"}</td>
      <td>${probe ? kindOf(/** @type {any} */ (probe)) : ""}</td>
      <td class="number">${probe ? percent(probe.own) : ""}</td>
      <td class="number">${held ? nats(held.nats, 2) : ""}${held?.impossible ? html`<br />${percent((100 * held.impossible) / held.points)} impossible` : nothing}</td>
    </tr>`;
    return html`<table aria-live=${this.#playing ? "off" : "polite"}>
      <thead><tr><th scope="col">Model</th><th scope="col" class="number">log p(x), nats</th><th scope="col">Kind</th><th scope="col" class="number">Own samples less likely</th><th scope="col" class="number">Held out, nats a point</th></tr></thead>
      <tbody>${this.#entries.map(row)}</tbody>
    </table>`;
  }

  #lines() {
    return this.#entries
      .filter(({ learns }) => learns)
      .map(({ form, history, lossHistory }) => ({ title: form.title, unit: "nats", points: this.plotted === "loss" ? lossHistory : history }));
  }

  /** @param {Event} event */
  #onAddModel({ target }) {
    const select = /** @type {HTMLSelectElement} */ (target);
    void this.#add(select.value);
    select.selectedIndex = 0;
  }

  /** @param {Event} event */
  #onFile({ target }) {
    const input = /** @type {HTMLInputElement} */ (target);
    const file = input.files?.[0];
    input.value = "";
    if (file) void this.#take(file);
  }
}

customElements.define("pofx-lab", LabElement);
