// What the model is, as its card says, and a person's own weights in its place. Everything from the card is text.

import { LitElement, css, html, nothing } from "lit";
import { figure, megabytes, nats } from "./format.js";
import { limits } from "./limits.js";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").Card} Card */

/** What others have published on the same data, on the same footing. @param {Card} c */
function published({ id, data }) {
  if (id === "binary-mnist-vae") return "VAE with one stochastic layer −86.76 nats, IWAE with k = 50 −84.78 (Burda et al. 2016, table 1)";
  if (data.name.startsWith("Fashion-MNIST")) return "in bits per value: Glow 2.958 (Nalisnick et al. 2019a, figure 1)";
  if (!data.name.startsWith("MNIST")) return "";
  return "in bits per value: Glow 1.05 (Kingma & Dhariwal 2018), Residual Flow 0.970 (Chen et al. 2019), softmax transformer 0.621 (Katharopoulos et al. 2020)";
}

/** The folder that holds models/. */
const BASE = new URL("./", import.meta.url);

/** `<pofx-model-card>`: properties `card`, `own` (name of a person's file); events `weights` (detail: File), `shipped`, `onnx`. */
export class ModelCard extends LitElement {
  static properties = { card: { attribute: false }, own: {} };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      summary {
        width: fit-content;
        padding-block: 0.5rem;
        cursor: pointer;
        font: 500 1.25rem/1.3 var(--serif);
      }
      dl {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr);
        gap: 0.45rem 1.6rem;
        margin: 0.6rem 0 1.2rem;
        max-width: 62rem;
      }
      dt {
        color: var(--muted);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      a {
        color: var(--accent);
      }
      code {
        font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
      }
      dd p {
        margin: 0 0 0.3rem;
      }
      table {
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
        margin-bottom: 0.3rem;
      }
      th,
      td {
        padding: 0.1rem 1.2rem 0.1rem 0;
        font-weight: 400;
        text-align: left;
        vertical-align: top;
      }
      td {
        text-align: right;
      }
      figure {
        margin: 0 0 1.2rem;
      }
      figure img {
        display: block;
        max-width: 100%;
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        image-rendering: pixelated;
      }
      figcaption {
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .own {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.6rem 1rem;
      }
      .own p {
        margin: 0;
        flex: 1 1 20rem;
        color: var(--muted);
      }
      @media (max-width: 36rem) {
        dl {
          grid-template-columns: 1fr;
          gap: 0.1rem;
        }
        dd {
          margin-bottom: 0.6rem;
        }
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Card | undefined} */ this.card = undefined;
    this.own = "";
  }

  render() {
    const c = this.card;
    return html`<details>
      <summary>About this model</summary>
      ${c ? this.#facts(c) : html`<p>The card has not arrived yet.</p>`}
      <div class="own">
        <p>
          ${this.own
            ? html`Now in use: your file “${this.own}”.`
            : "You have trained your own weights for this architecture? Choose the .safetensors file, or drop it anywhere on the page."}
        </p>
        <input class="hidden" type="file" id="weights" accept=".safetensors" tabindex="-1" aria-hidden="true" @change=${this.#onFile} />
        <button type="button" @click=${this.#choose}>Use your own weights…</button>
        ${this.own ? html`<button type="button" @click=${this.#onShipped}>Use the shipped weights</button>` : nothing}
      </div>
    </details>`;
  }

  /** @param {Card} c */
  #facts(c) {
    const { size, channels } = c.image;
    /** @type {[string, unknown][]} */
    const facts = [
      ["Model", `${c.title} (${c.id})`],
      ["Form of p(x)", c.parametric_form],
      ["Data", `${c.data.name}; ${c.data.preparation}`],
      ["Pictures", `${size} × ${size} pixels, ${channels === 3 ? "colour" : "grey"}${c.labels.map(({ name, values }) => `; ${name}: ${values.length} values`).join("")}`],
      ["Licences", `weights ${c.licence}; data ${c.data.licence}`],
      ["Trained by", `${c.loss}; ${c.optimiser}`],
      ["Size", `${c.parameters.toLocaleString("en")} parameters, ${megabytes(c.weights.bytes)}`],
      ["Quality", c.metrics ? this.#metrics(c.metrics) : "Not measured yet."],
      ...(published(c) ? /** @type {[string, unknown][]} */ ([["Published", published(c)]]) : []),
      ["What it can’t do", limits(c)],
      ["Papers", c.references.join("; ")],
      ["Checksum", html`<code>${c.weights.sha256}</code>`],
      ["Files", html`<a href=${new URL(`models/${c.id}/${c.weights.file}`, BASE).href} download="${c.id}.safetensors">${c.id}.safetensors</a> as shipped; <button type="button" class="quiet" @click=${this.#onOnnx}>Save as ONNX (.zip)</button> with the weights in use`],
    ];
    return html`<dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
      ${c.sheet ? this.#sheet(c.id, c.sheet) : nothing}`;
  }

  /** @param {NonNullable<Card["metrics"]>} m */
  #metrics(m) {
    const { images, kind, estimator, nats: value, std_error, bits_per_dim, elbo_nats, unlabelled_nats, command, samples_command, ...quality } = m;
    const error = std_error === undefined ? "" : ` ± ${std_error.toFixed(2)}`;
    const bits = bits_per_dim === undefined ? "" : `, ${bits_per_dim.toFixed(3)} bits per value`;
    const elbo = elbo_nats === undefined ? "" : `; ELBO ${nats(elbo_nats)} nats`;
    const unlabelled = unlabelled_nats === undefined ? "" : `; ${nats(unlabelled_nats)} without its labels`;
    return html`<p>
        ${value === undefined
          ? `log p(x): ${kind}`
          : `log p(x), ${kind} (${estimator}): ${nats(value)}${error} nats a picture${bits}${elbo}${unlabelled}; over ${images.toLocaleString("en")} test pictures`}
      </p>
      <table>
        <caption class="hidden">Quality of samples</caption>
        <tbody>
          ${Object.entries(quality)
            .flatMap(([name, value]) => figure(name, value))
            .map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}
        </tbody>
      </table>
      <code>${command}</code>${samples_command ? html`<br /><code>${samples_command}</code>` : nothing}`;
  }

  /** @param {string} id @param {string} file */
  #sheet(id, file) {
    const src = new URL(`models/${id}/${file}`, BASE).href;
    return html`<figure>
      <a href=${src} target="_blank" rel="noopener"><img src=${src} alt="100 samples of the model" loading="lazy" /></a>
      <figcaption>100 samples, as they came (opens the picture itself).</figcaption>
    </figure>`;
  }

  #choose() {
    const input = this.renderRoot.querySelector("input");
    input?.click();
  }

  /** @param {Event} event */
  #onFile(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = "";
    if (file) this.dispatchEvent(new CustomEvent("weights", { detail: file }));
  }

  #onOnnx() {
    this.dispatchEvent(new CustomEvent("onnx"));
  }

  #onShipped() {
    this.dispatchEvent(new CustomEvent("shipped"));
  }
}

customElements.define("pofx-model-card", ModelCard);
