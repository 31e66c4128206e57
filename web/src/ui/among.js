// Where an answer stands among pictures that are not of the data, and whether likelihood tells those at all.

import { LitElement, html, nothing } from "lit";
import { percent } from "./format.js";
import { shared } from "./styles.js";
import { tables } from "./table-styles.js";

/** @typedef {import("../p-of-x.js").Estimate} Estimate */
/** @typedef {NonNullable<import("../p-of-x.js").Card["reference"]>} Reference */

/** `<pofx-among>`: properties `estimate`, `reference` (of the card, where the answer may be compared with it), `data` (its name). */
export class AmongOthers extends LitElement {
  static properties = { estimate: { attribute: false }, reference: { attribute: false }, data: {} };

  static styles = [shared, tables];

  constructor() {
    super();
    /** @type {Estimate | undefined} */ this.estimate = undefined;
    /** @type {Reference | undefined} */ this.reference = undefined;
    this.data = "";
  }

  render() {
    const others = this.reference?.others ?? [];
    if (others.length === 0) return nothing;
    const places = new Map(this.estimate?.place.others.map(({ name, percentile }) => [name, percent(percentile)]));
    const area = (/** @type {number} */ auroc) => auroc.toFixed(2);
    return html`
      <h3>Among pictures that are no ${this.data}</h3>
      <div class="scroll" tabindex="0" role="region" aria-label="Pictures of other kinds">
        <table>
          <caption class="hidden">Pictures of other kinds: how many are less likely than this one, and how well scores tell them from test pictures</caption>
          <thead>
            <tr>
              <th scope="col">Pictures</th>
              <th scope="col" class="number">Less likely than this one</th>
              <th scope="col" class="number">Told by −log p</th>
              <th scope="col" class="number">by typicality</th>
              <th scope="col" class="number">by complexity</th>
            </tr>
          </thead>
          <tbody>
            ${others.map(
              ({ name, auroc }) => html`<tr>
                <th scope="row">${name}</th>
                <td class="number">${places.get(name) ?? "–"}</td>
                <td class="number">${area(auroc.surprise)}</td>
                <td class="number">${area(auroc.typicality)}</td>
                <td class="number">${area(auroc.complexity)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
      <p class="note">
        ${trap(others, this.data)}“Told” is the chance that such a picture scores higher than a test picture: 1 always, 0.5 no better than a coin, below it the wrong way round.
      </p>
    `;
  }
}

/** @param {NonNullable<Reference["others"]>} others @param {string} data */
function trap(others, data) {
  const worst = [...others].sort((a, b) => a.auroc.surprise - b.auroc.surprise)[0];
  if (worst.auroc.surprise >= 0.5) return nothing;
  return html`<strong>A trap:</strong> this model finds ${worst.name} likelier than the ${data} it has learned, because they are simpler. Likelihood alone does not tell what belongs to the data. `;
}

customElements.define("pofx-among", AmongOthers);
