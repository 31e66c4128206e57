// Measures contestants on one workload: all are loaded, their answers compared, then they take turns.

/** Time to measure at least, so that a coarse clock does no harm. */
const LEAST_MS = 60;
/** Rounds stop after this time, but not before two. */
const BUDGET_MS = 25_000;

/**
 * @param {any} test a `Case`
 * @param {any[]} contestants the first one is ours
 * @param {number} rounds
 * @param {() => number | Promise<number>} clock milliseconds
 */
export async function compare(test, contestants, rounds, clock) {
  const racers = [];
  for (const contestant of contestants) {
    try {
      racers.push(await warmedUp(test, contestant));
    } catch (error) {
      racers.push({ contestant, error: String(error?.message ?? error) });
    }
  }
  // Without ours there is nothing to compare with.
  const able = racers[0].error ? [] : racers.filter((racer) => !racer.error);
  if (able.length === 0) racers.slice(1).forEach((racer) => (racer.error ??= "ours failed"));
  for (const racer of able) racer.difference = Math.max(...racer.answers.map((a, i) => difference(a, able[0].answers[i])));
  const started = performance.now();
  for (let round = 0; round < rounds && (round < 2 || performance.now() - started < BUDGET_MS); round++) {
    for (const racer of able) racer.times.push(await timed(racer, clock));
  }
  for (const racer of able) await racer.loaded.close?.();
  return racers.map(({ contestant, error, difference, times, load_ms, loaded }) => ({
    workload: test.name,
    size: test.size,
    engine: contestant.engine,
    contestant: contestant.name,
    ...(error ? { error } : { ms: median(times), times, difference, load_ms, ...loaded.facts }),
    ...(!error && { speed_ratio: median(times.map((t, i) => t / able[0].times[i])) }),
  }));
}

/** Loads, and runs twice: the second answer of a training step depends on its first. */
async function warmedUp(test, contestant) {
  const started = performance.now();
  const loaded = await contestant.load(test);
  const load_ms = performance.now() - started;
  const racer = { contestant, loaded, load_ms, answers: [], times: [], repeats: 1 };
  const present = loaded.present ?? ((values) => Float32Array.from(values));
  racer.answers.push(present(await loaded.run()));
  const again = performance.now();
  racer.answers.push(present(await loaded.run()));
  racer.repeats = Math.ceil(LEAST_MS / Math.max(performance.now() - again, 0.1));
  return racer;
}

/** Milliseconds of one inference. */
async function timed({ loaded, repeats }, clock) {
  const started = await clock();
  for (let i = 0; i < repeats; i++) await loaded.run();
  return ((await clock()) - started) / repeats;
}

/** Largest difference in units of the largest expected value. */
export function difference(got, expected) {
  if (got.length !== expected.length || !got.every(Number.isFinite)) return Infinity;
  const largest = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return got.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i])), 0) / largest;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Floating point operations a second of multiply-adds on vectors in registers, best of some tries. */
export async function peak(multiply_adds, clock) {
  const rounds = 10_000_000;
  let best = Infinity;
  for (let i = 0; i < 6; i++) {
    const started = await clock();
    multiply_adds(rounds);
    best = Math.min(best, (await clock()) - started);
  }
  return (96 * rounds) / (best / 1000);
}
