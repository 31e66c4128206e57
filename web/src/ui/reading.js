// How to read the number: what a lecturer would say beside it.

import { LitElement, css, html } from "lit";
import { nats } from "./format.js";
import { SIDE } from "./picture.js";
import { shared } from "./styles.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */

const PIXELS = SIDE * SIDE;
/** log p(x) of every picture, if each pixel were a fair coin. */
const COINS = -PIXELS * Math.LN2;

/** `<pofx-reading>`: property `estimate`. */
export class Reading extends LitElement {
  static properties = { estimate: { attribute: false } };

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
    /** @type {Estimate | undefined} */ this.estimate = undefined;
  }

  render() {
    return html`
      <h2>How to read it</h2>
      <p>
        There are 2<sup>${PIXELS}</sup> black and white pictures of this size. If a coin decided every pixel, each would have
        log <i>p</i>(<i>x</i>) = −${PIXELS} log 2 = ${nats(COINS)} nats.
      </p>
      <p>${this.#comparison()}</p>
    `;
  }

  #comparison() {
    const value = this.estimate?.nats;
    if (value === undefined) return "Ask about a picture to compare it with that.";
    const digits = Math.round(Math.abs(value - COINS) / Math.LN10);
    const power = html`10<sup>${digits}</sup>`;
    return value > COINS
      ? html`This picture is at least ${power} times as likely under the model as under coins. Even so its probability is tiny: compare
          numbers, do not read one alone.`
      : html`For this picture even coins would be a better model: the bound lies a factor of ${power} below them.`;
  }
}

customElements.define("pofx-reading", Reading);
