// Whether the page stays smooth while it samples: gaps between its frames from a press of Generate to the last picture, on each
// backend. A gap is what a key or a pointer may have to wait for.

import { openSite } from "../support/browser.mjs";
import { sampled } from "../support/lab.mjs";
import { frameGaps } from "./gaps.mjs";
import { table } from "./table.mjs";

/** Pictures that the page draws at a time. */
const N = 16;
/** Of diffusion models; others have no such control. */
const STEPS = 20;
/** Milliseconds that 95 of 100 gaps are meant to stay below. */
const GOAL = 50;
/** What was not drawn by then says nothing new. */
const LONGEST_MS = 60_000;

/**
 * Rows of measurements, printed as they come.
 * @param {import("playwright-core").Browser} browser
 * @param {{ id: string, family: string }[]} models
 * @param {string[]} backends
 */
export function frames(browser, models, backends) {
  const open = ({ id, family }, backend) => {
    const steps = family === "diffusion" ? `&c.steps=${STEPS}` : "";
    return openSite(browser, { query: `?backend=${backend}#v=1&model=${id}&seed=1${steps}` });
  };
  return table(models, backends, open, drawOnce, line);
}

/** The pictures that the page begins with are there, and others are asked for. @param {import("playwright-core").Page} page */
async function drawOnce(page) {
  await sampled(page);
  await page.waitForFunction(() => !document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler").sampling, undefined, { timeout: 2 * LONGEST_MS });
  const measured = page.evaluate(frameGaps, { event: "sample", longest: LONGEST_MS });
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  const gaps = await measured;
  return { n: N, frames: gaps.length, p95_ms: gaps[Math.ceil(0.95 * gaps.length) - 1], longest_ms: gaps.at(-1) };
}

function line({ model, backend, frames, p95_ms, longest_ms, error }) {
  const what = `frames while ${N} pictures are drawn  ${model.padEnd(20)} ${backend.padEnd(7)}`;
  if (error) return `${what} FAILED: ${error}`;
  const ms = (value) => `${value.toFixed(0).padStart(4)} ms`;
  return `${what} 95 of 100 gaps within ${ms(p95_ms)}, longest ${ms(longest_ms)}, ${frames} frames  goal ${GOAL} ms: ${p95_ms > GOAL ? "missed" : "met"}`;
}
