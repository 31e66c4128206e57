// Sixteen pictures from each shipped model through the page's public API, on each backend: seconds to the first sign of life
// and to the last picture, and what the page's threads used of a processor (a GPU, or its imitation, works elsewhere). The
// first call counts for itself: it plans what the later ones repeat.

import { openApi } from "../support/lab.mjs";
import { countProcessorTime } from "./clock.mjs";
import { table } from "./table.mjs";

const N = 16;
/** Of a diffusion model; others have no such control. */
const STEPS = 20;
/** Calls of each model and backend; fewer where they take long. */
const CALLS = 4;
const BUDGET_MS = 30_000;
/** A call ends after this time, whatever is there. */
const LONGEST_MS = 180_000;

/** Seconds that the CPU path is meant to take for all pictures, by family, and for the first progress. */
const GOALS = { gan: 0.3, vae: 0.3, diffusion: 6, transformer: 15 };
const FIRST_GOAL = 0.5;

/**
 * Rows of measurements, printed as they come.
 * @param {import("playwright-core").Browser} browser
 * @param {{ id: string, family: string }[]} models
 * @param {string[]} backends
 */
export function pictures(browser, models, backends) {
  const options = { n: N, steps: STEPS, calls: CALLS, budget: BUDGET_MS, longest: LONGEST_MS };
  // A page each: no model finds the memory or the shaders of another.
  const open = async () => {
    const site = await openApi(browser);
    await countProcessorTime(browser, site.page);
    return site;
  };
  return table(models, backends, open, (page, id, backend) => page.evaluate(measure, { id, backend, ...options }), line);
}

/** Runs in the page. */
async function measure({ id, backend, n, steps, calls, budget, longest }) {
  const seconds = (since) => (performance.now() - since) / 1000;
  const opening = performance.now();
  const model = await globalThis.api.open(id, { backend });
  const open_s = seconds(opening);
  if (model.backend.name !== backend) throw new Error(`asked for ${backend}, got ${model.backend.name}: ${model.backend.reason}`);
  const given = model.controls.some(({ name }) => name === "steps") ? { steps } : {};
  const draw = async (seed) => {
    const before = await globalThis.processor();
    const started = performance.now();
    let first_s;
    let done = 0;
    const onProgress = () => (first_s ??= seconds(started));
    for await (const step of model.sample({ n, seed, ...given, onProgress, signal: AbortSignal.timeout(longest) })) {
      onProgress();
      done = step.done;
    }
    if (done !== n) throw new Error(`${done} of ${n} pictures came`);
    const last_s = seconds(started);
    return { first_s, last_s, busy_s: (await globalThis.processor()) - before };
  };
  const started = performance.now();
  const times = [];
  while (times.length < calls && (times.length < 1 || performance.now() - started < budget)) times.push(await draw(times.length));
  model.close();
  // The slower one of two: never better than it is.
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
  const again = times.length > 1 ? times.slice(1) : times;
  const of = (name) => median(again.map((time) => time[name]));
  return { n, ...given, open_s, first_call: times[0], first_s: of("first_s"), last_s: of("last_s"), busy_s: of("busy_s"), calls: times.length };
}

/** One line of the table; on the CPU with what it is meant to be. */
function line({ model, family, backend, open_s, first_call, first_s, last_s, busy_s, error }) {
  const what = `${N} pictures  ${model.padEnd(20)} ${backend.padEnd(7)}`;
  if (error) return `${what} FAILED: ${error}`;
  const s = (value) => `${value.toFixed(2).padStart(7)} s`;
  const missed = last_s > GOALS[family] || first_s > FIRST_GOAL ? "missed" : "met";
  const goal = backend === "cpu" && family in GOALS ? `  goal ${FIRST_GOAL} s, ${GOALS[family]} s: ${missed}` : "";
  return `${what} first progress ${s(first_s)}, all ${s(last_s)}, of a processor ${s(busy_s)} (first call ${s(first_call.last_s)}, open ${s(open_s)})${goal}`;
}
