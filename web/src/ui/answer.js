// The answer: how likely, and compared with what.

import { LitElement, css, html, nothing } from "lit";
import { asSentence, explain, nats, percent, percentile, relation } from "./format.js";
import { shared } from "./styles.js";
import "./histogram.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Card} Card */

/**
 * `<pofx-answer>`: properties `estimate`, `card`, `given` (labels under which the picture is judged, in words), `other` (the
 * estimator is not the one of the card's scores), `stale` (another question is being answered).
 */
export class Answer extends LitElement {
  static properties = {
    estimate: { attribute: false },
    card: { attribute: false },
    given: {},
    other: { type: Boolean },
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
    this.given = "";
    this.other = false;
    this.stale = false;
  }

  render() {
    const e = this.estimate;
    // The scores are those of pictures without labels, by the family's own estimator.
    const reference = this.given || this.other ? undefined : this.card?.reference;
    if (e && typeof e.kind !== "string") {
      return html`<p class="headline"><span class="value">log <i>p</i>(<i>x</i>) is not defined</span><span class="kind"></span></p>
        <p class="rank">${asSentence(e.kind.undefined)}</p>`;
    }
    return html`
      <p class="headline">
        <span class="value"><span>${e?.kind === "density_ratio" ? RATIO : html`log <i>p</i>(<i>x</i>${this.given ? ` | ${this.given}` : nothing})`} ${e ? relation(e.kind) : "≥"}</span> <span>${e ? nats(e.nats) : "–"} nats</span></span>
        <span class="kind">${e ? explain(e) : "(draw or choose a picture to ask about it)"}</span>
      </p>
      ${this.card && !reference ? nothing : html`<p class="rank">${e && reference ? rank(e, reference) : nothing}</p>`}
      ${this.card && !reference
        ? nothing
        : html`<pofx-histogram .heldOut=${reference?.held_out ?? []} .own=${reference?.own ?? []} .value=${e?.nats}></pofx-histogram>`}
    `;
  }
}

/** What a discriminator tells. */
const RATIO = html`log <i>p</i><sub>data</sub>(<i>x</i>)/<i>p</i><sub>G</sub>(<i>x</i>)`;

/** @param {Estimate} e @param {NonNullable<Card["reference"]>} reference */
function rank(e, reference) {
  // Made with another k, the score is higher than the same picture's among the reference scores would be.
  const held = e.place.held_out ?? percentile(reference.held_out, e.nats);
  const own = e.place.own ?? percentile(reference.own, e.nats);
  return html`${e.place.own === null ? `Compared with scores made by ${reference.estimator}: m` : "M"}ore likely than <strong>${percent(held)}</strong> of held-out test pictures, and than
    <strong>${percent(own)}</strong> of the model’s own samples. ${e.place.nearer === null ? nothing : typicality(e.place.nearer)}${e.place.complexity === null ? nothing : complexity(e.place.complexity)}`;
}

/** Whether the picture is like the data, which being likely does not tell. @param {number} nearer */
function typicality(nearer) {
  const verdict = nearer >= 95 ? "Not typical" : "Typical";
  return html`${verdict}: the log <i>p</i>(<i>x</i>) of <strong>${percent(100 - nearer)}</strong> of test pictures is farther from their mean.`;
}

/** The same, where what is simple is not taken for likely. @param {number} share of test pictures with a lower score */
function complexity(share) {
  return html` Its bits less those of a plain coder are more than those of <strong>${percent(share)}</strong> of test pictures${share >= 95 ? ": simple, yet the model does not know it" : ""}.`;
}

customElements.define("pofx-answer", Answer);
