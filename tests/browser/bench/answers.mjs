// Quick answers to "how likely is this?" from each shipped model by each of its estimators, through the page's public API:
// seconds to the first value and to the answer. The first call counts for itself: it plans what the later ones repeat.

import { openApi } from "../support/lab.mjs";
import { table } from "./table.mjs";

/** Seconds that the CPU path is meant to take for a first value, and for the answer. */
const GOALS = { first_s: 0.5, done_s: 5 };
/** Calls of each estimator; fewer where they take long. */
const CALLS = 4;
const BUDGET_MS = 20_000;

/**
 * Rows of measurements, printed as they come.
 * @param {import("playwright-core").Browser} browser
 * @param {{ id: string, family: string }[]} models
 * @param {string[]} backends
 */
export function answers(browser, models, backends) {
  const options = { calls: CALLS, budget: BUDGET_MS };
  return table(models, backends, () => openApi(browser), (page, id, backend) => page.evaluate(measure, { id, backend, ...options }), line);
}

/** Runs in the page: a row for each estimator that gives a number. */
async function measure({ id, backend, calls, budget }) {
  const model = await globalThis.api.open(id, { backend });
  if (model.backend.name !== backend) throw new Error(`asked for ${backend}, got ${model.backend.name}: ${model.backend.reason}`);
  const seconds = (since) => (performance.now() - since) / 1000;
  const ask = async (estimator, seed) => {
    const started = performance.now();
    let first_s;
    const onProgress = ({ so_far }) => void (so_far && (first_s ??= seconds(started)));
    const { kind, estimator: words, std_error } = await model.logProb(globalThis.one, { estimator, seed, onProgress });
    const done_s = seconds(started);
    return { words, number: typeof kind === "string", error_known: std_error !== null, first_s: first_s ?? done_s, done_s };
  };
  // The slower one of two: never better than it is.
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
  const rows = [];
  for (const estimator of model.estimators) {
    const started = performance.now();
    const first_call = await ask(estimator, 0);
    if (!first_call.number) continue;
    const times = [];
    while (times.length < calls - 1 && (times.length < 1 || performance.now() - started < budget)) times.push(await ask(estimator, times.length + 1));
    const of = (name) => median(times.map((time) => time[name]));
    const { words, error_known, done_s: first_call_s } = first_call;
    rows.push({ estimator, words, error_known, first_call_s, first_s: of("first_s"), done_s: of("done_s"), calls: times.length });
  }
  model.close();
  return rows;
}

/** One line of the table; on the CPU with what it is meant to be. */
function line({ model, backend, words, first_s, done_s, first_call_s, error }) {
  const what = `log p(x)  ${model.padEnd(20)} ${backend.padEnd(7)}`;
  if (error) return `${what} FAILED: ${error}`;
  const s = (value) => `${value.toFixed(2).padStart(6)} s`;
  const missed = first_s > GOALS.first_s || done_s > GOALS.done_s ? "missed" : "met";
  const goal = backend === "cpu" ? `  goal ${GOALS.first_s} s, ${GOALS.done_s} s: ${missed}` : "";
  return `${what} first value ${s(first_s)}, done ${s(done_s)} (first call ${s(first_call_s)})${goal}  ${words}`;
}
