// The answer: how likely, and compared with what.

import { LitElement, css, html, nothing } from "lit";
import { asSentence, explain, nats, percent, relation } from "./format.js";
import { shared } from "./styles.js";
import "./histogram.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Card} Card */

/**
 * `<pofx-answer>`: properties `estimate`, `card`, `reference` (the card's scores, where the answer may stand among them), `given`
 * (labels under which the picture is judged, in words), `own` (the weights are a person's), `stale` (another question is being
 * answered).
 */
export class Answer extends LitElement {
  static properties = {
    estimate: { attribute: false },
    card: { attribute: false },
    reference: { attribute: false },
    given: {},
    own: { type: Boolean },
    stale: { type: Boolean, reflect: true },
  };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .headline {
        margin: 0;
      }
      .value {
        display: block;
        font: 500 clamp(1.6rem, 3.2vw, 2.3rem) / 1.2 var(--serif);
        font-variant-numeric: lining-nums tabular-nums;
        letter-spacing: -0.01em;
      }
      .value span {
        white-space: nowrap;
      }
      .kind {
        display: block;
        margin-bottom: 0.9rem;
        color: var(--muted);
      }
      .rank {
        margin: 0 0 0.9rem;
        min-height: 4.6em;
        text-wrap: pretty;
      }
      :host([stale]) .value {
        opacity: 0.62;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** @type {Card | undefined} */ this.card = undefined;
    /** @type {NonNullable<Card["reference"]> | undefined} */ this.reference = undefined;
    this.given = "";
    this.own = false;
    this.stale = false;
  }

  render() {
    const { estimate: e, reference } = this;
    if (e && typeof e.kind !== "string") {
      return html`<p class="headline"><span class="value">log <i>p</i>(<i>x</i>) is not defined</span><span class="kind"></span></p>
        <p class="rank">${asSentence(e.kind.undefined)}</p>`;
    }
    return html`
      <p class="headline">
        <span class="value"><span>${e?.kind === "density_ratio" ? RATIO : html`log <i>p</i>(<i>x</i>${this.given ? ` | ${this.given}` : nothing})`} ${e ? relation(e.kind) : "≥"}</span> <span>${e ? nats(e.nats) : "–"} nats</span></span>
        <span class="kind">${e ? explain(e) : "(draw or choose a picture to ask about it)"}</span>
      </p>
      <p class="rank">${e ? (reference ? rank(e.place) : this.#unranked(e)) : nothing}</p>
      ${this.card && !reference
        ? nothing
        : html`<pofx-histogram .heldOut=${reference?.held_out ?? []} .own=${reference?.own ?? []} .value=${e?.nats} .place=${e?.place}></pofx-histogram>`}
    `;
  }

  /** Why there is no percentile. @param {Estimate} e */
  #unranked(e) {
    const scores = this.card?.reference;
    if (!scores) return "Not ranked: this model has no scores of other pictures to compare with.";
    if (this.given) return "Not ranked: the scores of other pictures were made without labels.";
    if (this.own) return "Not ranked: the scores of other pictures were made by the shipped weights, not by yours.";
    return `Not ranked: the scores of other pictures were made by ${scores.estimator}, this one by ${e.estimator}, and numbers made in two ways do not compare.`;
  }
}

/** What a discriminator tells. */
const RATIO = html`log <i>p</i><sub>data</sub>(<i>x</i>)/<i>p</i><sub>G</sub>(<i>x</i>)`;

/** Where the number stands among the scores of other pictures, as the engine has found. @param {Estimate["place"]} place */
function rank({ held_out, own, nearer, complexity }) {
  const shares = [[held_out, "held-out test pictures"], [own, "the model’s own samples"]].filter(([share]) => share !== null);
  return html`More likely than ${shares.map(([share, of], i) => html`${i > 0 ? ", and than " : ""}<strong>${percent(/** @type {number} */ (share))}</strong> of ${of}`)}.
    ${nearer === null ? nothing : typicality(nearer)}${complexity === null ? nothing : simplicity(complexity)}`;
}

/** Whether the picture is like the data, which being likely does not tell. @param {number} nearer */
function typicality(nearer) {
  const verdict = nearer >= 95 ? "Not typical" : "Typical";
  return html`${verdict}: the log <i>p</i>(<i>x</i>) of <strong>${percent(100 - nearer)}</strong> of test pictures is farther from their mean.`;
}

/** The same, where what is simple is not taken for likely. @param {number} share of test pictures with a lower score */
function simplicity(share) {
  return html` Its bits less those of a plain coder are more than those of <strong>${percent(share)}</strong> of test pictures${share >= 95 ? ": simple, yet the model does not know it" : ""}.`;
}

customElements.define("pofx-answer", Answer);
