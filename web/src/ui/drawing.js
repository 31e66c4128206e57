// What stands below the samples while they are being drawn.

import { html, nothing } from "lit";
import { worth } from "../engine/crew.js";
import { duration } from "./format.js";

/**
 * How far a run is, and the way to stop it.
 * @param {{ sampling: boolean, stale: boolean, step?: import("../p-of-x.js").SampleStep, encoding?: import("../p-of-x.js").Progress, surveying?: [number, number] }} run
 *   `stale`: the controls have moved since; `encoding`: latents are looked for before anything is drawn; `surveying`: pictures of the map of two latents
 * @param {() => void} stop
 */
export function drawingProgress({ sampling, stale, step, encoding, surveying }, stop) {
  if (!sampling && surveying) return surveyProgress(surveying, stop);
  if (!sampling) return stale ? html`<span>The controls have moved since these were drawn.</span>` : nothing;
  const button = html`<button type="button" @click=${stop}>Stop</button>`;
  if (encoding) {
    const { done, total, seconds_left } = encoding;
    return html`<progress max=${total} value=${done} aria-label="Progress of looking"></progress>
      <span>Looking for it in the latent space${duration(seconds_left)}</span> ${button}`;
  }
  if (!step || step.done >= step.total) return html`<span>Drawing</span>${button}`;
  const steps = step.steps > 1 ? `Step ${step.step} of ${step.steps}, ` : "";
  return html`<progress max=${step.total} value=${worth(step)} aria-label="Progress of drawing"></progress>
    <span>${steps}${step.done} of ${step.total} pictures${duration(step.seconds_left)}</span> ${button}`;
}

/** @param {[number, number]} surveying @param {() => void} stop */
function surveyProgress([done, total], stop) {
  return html`<progress max=${total} value=${done} aria-label="Progress of the map"></progress>
    <span>${done} of ${total} pictures of the map</span> <button type="button" @click=${stop}>Stop</button>`;
}

/**
 * Whether pictures on their way are shown as they are, or as what the model takes them for.
 * @param {"images" | "predicted"} which
 * @param {(which: "images" | "predicted") => void} choose
 */
export function whichPictures(which, choose) {
  const choice = (/** @type {"images" | "predicted"} */ value, /** @type {unknown} */ text) => html`<label>
    <input type="radio" name="which" value=${value} .checked=${which === value} @change=${() => choose(value)} />
    <span>${text}</span>
  </label>`;
  return html`<fieldset class="which">
    <legend class="hidden">What is shown of pictures on their way</legend>
    ${choice("images", html`as it is, <i>x<sub>t</sub></i>`)} ${choice("predicted", html`taken for, <i>x̂</i><sub>0</sub>`)}
  </fieldset>`;
}
