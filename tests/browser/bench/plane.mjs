// The lab as a person meets it, on the CPU path: from the engine's arrival to live samples, frames of the page while six models
// learn, what they know of two moons after ten seconds; and by its API the time of EM and of fine fields.

import { openApi } from "../support/lab.mjs";
import { openSite } from "../support/browser.mjs";
import { frameGaps } from "./gaps.mjs";

const FRAMES_MS = 6000;
const LEARN_MS = 10_000;
/** Steps of EM, and calls of which the median counts. */
const EM_STEPS = 30;
const CALLS = 5;

/** @param {import("playwright-core").Browser} browser */
export async function plane(browser) {
  const result = { ...(await shown(browser)), ...(await asked(browser)) };
  console.log(`lab: ${JSON.stringify(result)}`);
  return result;
}

/** @param {import("playwright-core").Browser} browser */
async function shown(browser) {
  const { page, close } = await openSite(browser, { query: "lab.html?backend=cpu" });
  const started = await page.evaluate(firstSamples);
  const smooth = await frames(page);
  await page.waitForFunction((end) => performance.now() > end, started.samples_ms + LEARN_MS);
  await page.getByRole("button", { name: "Pause" }).click();
  const learned = await page.evaluate(() =>
    cards().map(({ entry }) => ({ model: entry.form.family, steps: entry.steps, held_out_nats: entry.held?.nats, impossible: entry.held?.impossible })),
  );
  await close();
  return { first_samples_after_wasm_ms: Math.round(started.samples_ms - started.wasm_ms), ...smooth, after_10_s: learned };
}

/** Runs in the page: waits for a card with samples. */
async function firstSamples() {
  globalThis.cards = () => [...(document.querySelector("pofx-lab")?.shadowRoot?.querySelectorAll("pofx-lab-card") ?? [])];
  while (!globalThis.cards().some(({ entry }) => entry?.samples.length > 0)) await new Promise(requestAnimationFrame);
  const wasm = performance.getEntriesByType("resource").find(({ name }) => name.endsWith(".wasm"));
  return { samples_ms: performance.now(), wasm_ms: wasm?.responseEnd ?? 0 };
}

/** How smooth the page is for a while. @param {import("playwright-core").Page} page */
async function frames(page) {
  const gaps = await page.evaluate(frameGaps, { longest: FRAMES_MS });
  return { frames_a_second: Number(((1000 * gaps.length) / FRAMES_MS).toFixed(1)), frame_p99_ms: Number(gaps[Math.floor(0.99 * gaps.length)].toFixed(1)) };
}

/** @param {import("playwright-core").Browser} browser */
async function asked(browser) {
  const { page, close } = await openApi(browser);
  const result = await page.evaluate(
    async ({ steps, calls }) => {
      const { Lab } = await import(new URL("./lab-api.js", location.href).href);
      const lab = new Lab({ backend: "cpu" });
      const data = await lab.data({ set: "two-moons", n: 500, seed: 1 });
      const median = async (task) => {
        const times = [];
        for (let i = 0; i < calls; i += 1) {
          const done = await task(i);
          const from = performance.now();
          await done();
          times.push(performance.now() - from);
        }
        return Number(times.sort((a, b) => a - b)[calls >> 1].toFixed(1));
      };
      const em_ms = await median(async (seed) => {
        const card = await lab.add({ family: "mixture", components: 8 }, data, { seed });
        return () => card.train(steps);
      });
      const fields_ms = {};
      for (const family of ["gaussian", "mixture", "vae", "gan", "diffusion", "transformer"]) {
        const card = await lab.add({ family }, data, { seed: 1 });
        fields_ms[family] = await median(async () => {
          await card.train(5);
          return () => card.field(128);
        });
      }
      return { em_points: data.train.length / 2, em_steps: steps, em_ms, fields_ms };
    },
    { steps: EM_STEPS, calls: CALLS },
  );
  await close();
  const all = Object.values(result.fields_ms).reduce((sum, ms) => sum + ms, 0);
  return { ...result, fields_a_second: Number((1000 / all).toFixed(1)) };
}
