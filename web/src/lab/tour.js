// The guided tour: stops that tell, and set the lab to what they tell of.

import { LitElement, css, html } from "lit";
import { shared } from "../ui/styles.js";
import { labStyles } from "./lab-styles.js";

/** @typedef {{ title: string, text: string, set: string, families: string[] }} Stop */

/** @type {Stop[]} */
const TOUR = [
  { title: "Maximum likelihood", set: "bimodal-line", families: ["gaussian"], text: "A model is a form with numbers to choose. Learning chooses those under which the data are likeliest. Look inside the Gaussian: the optimiser climbs the likelihood over mean and spread." },
  { title: "Why a Gaussian is not enough", set: "two-moons", families: ["gaussian", "mixture"], text: "One Gaussian has one hill, and puts it where there are no points. A mixture has several, found by EM. Compare their held-out log p: higher is better." },
  { title: "Latent variables and the bound", set: "two-moons", families: ["vae"], text: "A VAE draws a hidden z and decodes it. Its loss is a bound on log p(x). Look inside: the gap is how far the ellipse of q is from the true posterior over z." },
  { title: "Two networks in a game", set: "eight-gaussians", families: ["gan"], text: "A generator folds a plane of noise over the data, and a discriminator tells its samples from the points. Look inside, pause, and let the generator alone move: it runs to where the discriminator is easiest to please, and whole heaps get no samples. That is mode collapse, and what is not drawn has p = 0." },
  { title: "Noise, and back", set: "two-moons", families: ["diffusion"], text: "Diffusion drowns the data in noise and learns the way back. Move the time slider: particles follow the score, and log p is a running sum along the probe's path to noise." },
  { title: "One token after another", set: "checkerboard", families: ["transformer"], text: "The transformer names the bin of x1, then that of x2 given x1. The product of the two is p(x), by the chain rule and exactly." },
  { title: "The same question to all", set: "two-moons", families: ["mixture", "vae", "gan", "diffusion", "transformer"], text: "Move the probe over any of the cards. All models are asked for log p of the same point; each says what its number is: exact, a bound, or an estimate." },
  { title: "What a likelihood does not tell", set: "rings", families: ["gaussian", "kernel", "mixture"], text: "Put the probe in the middle of the rings. The Gaussian finds it likelier than nearly all its own samples, though no point is there. Likely is not the same as typical." },
];

/** `<pofx-lab-tour>`: event `stop` (detail: the Stop that the lab is to show). */
export class Tour extends LitElement {
  static properties = { at: { state: true } };

  static styles = [
    shared,
    labStyles,
    css`
      p {
        max-width: 42rem;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
      }
    `,
  ];

  constructor() {
    super();
    /** Which stop it has come to; -1: none. */ this.at = -1;
  }

  render() {
    const stop = TOUR[this.at];
    if (!stop) return html`<p><button class="quiet" type="button" @click=${() => this.#go(0)}>Take the tour: ${TOUR.length} stops</button></p>`;
    const last = this.at + 1 === TOUR.length;
    return html`<section class="panel" aria-label="Tour" aria-live="polite">
      <h2>${this.at + 1} of ${TOUR.length}: ${stop.title}</h2>
      <p>${stop.text}</p>
      <div class="tools">
        <button class="primary" type="button" @click=${() => this.#go(last ? -1 : this.at + 1)}>${last ? "End of the tour" : "Next"}</button>
        <button type="button" @click=${() => this.#go(-1)}>Leave the tour</button>
      </div>
    </section>`;
  }

  /** @param {number} at */
  #go(at) {
    this.at = at;
    if (TOUR[at]) this.dispatchEvent(new CustomEvent("stop", { detail: TOUR[at] }));
  }
}

customElements.define("pofx-lab-tour", Tour);
