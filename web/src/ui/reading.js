// How to read the number: what a lecturer would say beside it.

import { LitElement, css, html } from "lit";
import { nats } from "./format.js";
import { answerable, isBinary } from "./card.js";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {import("../p-of-x.js").Card} Card */

/** `<pofx-reading>`: properties `card`, `estimate`. */
export class Reading extends LitElement {
  static properties = { card: { attribute: false }, estimate: { attribute: false } };

  static styles = [
    shared,
    css`
      :host {
        display: block;
      }
      h2 {
        margin: 0 0 0.6rem;
        font: 500 1.25rem/1.3 var(--serif);
      }
      p {
        margin: 0 0 0.7rem;
        color: var(--muted);
        text-wrap: pretty;
      }
      p:last-child {
        margin: 0;
        color: var(--text);
        min-height: 4.5em;
      }
      sup {
        line-height: 0;
      }
    `,
  ];

  constructor() {
    super();
    /** @type {Card | undefined} */ this.card = undefined;
    /** @type {Estimate | undefined} */ this.estimate = undefined;
  }

  /** Values of a picture, how many levels each has, and what such pictures are called. */
  get #space() {
    const { channels, size } = this.card?.image ?? { channels: 1, size: 28 };
    const kind = channels === 3 ? "colour" : "grey";
    return { values: channels * size * size, ...(isBinary(this.card) ? { levels: 2, kind: "black and white" } : { levels: 256, kind }) };
  }

  render() {
    if (!answerable(this.card).density) {
      return html`<h2>How to read it</h2>
        <p>A generator maps noise to pictures without ever computing a density: nearly every picture lies off the thin surface it can reach.</p>
        <p>Its pictures with a little noise have a density: choose “importance sampling” as estimator. The number then says more about the noise than about the generator.</p>
        <p>Its discriminator tells log <i>p</i><sub>data</sub>/<i>p</i><sub>G</sub>, how much rather the picture is real than drawn. What the model is good at is judged by its samples; figures stand below, under “About this model”.</p>`;
    }
    const { values, levels, kind } = this.#space;
    return html`
      <h2>How to read it</h2>
      <p>
        There are ${levels}<sup>${values}</sup> ${kind} pictures of this size. If ${levels === 2 ? "a coin" : "dice"} decided every
        ${values === 784 ? "pixel" : "value"}, each would have log <i>p</i>(<i>x</i>) = −${values} log ${levels} = ${nats(this.#chance)} nats.
      </p>
      <p>${this.#comparison()}</p>
    `;
  }

  /** log p(x) of every picture, if nothing were known. */
  get #chance() {
    const { values, levels } = this.#space;
    return -values * Math.log(levels);
  }

  #comparison() {
    const value = this.estimate?.nats;
    if (value === undefined || !Number.isFinite(value)) return "Ask about a picture to compare it with that.";
    const by = this.#space.levels === 2 ? "coins" : "dice";
    const power = html`10<sup>${Math.round(Math.abs(value - this.#chance) / Math.LN10)}</sup>`;
    const least = this.estimate?.kind === "lower_bound" ? "at least " : "";
    return value > this.#chance
      ? html`This picture is ${least}${power} times as likely under the model as under ${by}. Even so its probability is tiny: compare
          numbers, do not read one alone.`
      : html`For this picture even ${by} would be a better model: the number lies a factor of ${power} below them.`;
  }
}

customElements.define("pofx-reading", Reading);
