// The messages of a job as an asynchronous sequence.

/**
 * Yields what `start` hands to its callback, then ends as the promise it returned does. Leaving the loop early aborts
 * the signal.
 * @template T
 * @param {AbortSignal | undefined} signal
 * @param {(each: (item: T) => void, signal: AbortSignal) => Promise<unknown>} start
 * @returns {AsyncGenerator<T, void, void>}
 */
export async function* stream(signal, start) {
  const left = new AbortController();
  /** @type {T[]} */
  const items = [];
  let wake = () => {};
  let running = true;
  const each = (/** @type {T} */ item) => {
    items.push(item);
    wake();
  };
  const job = start(each, signal ? AbortSignal.any([signal, left.signal]) : left.signal).finally(() => {
    running = false;
    wake();
  });
  job.catch(() => {});
  try {
    while (running || items.length > 0) {
      const item = items.shift();
      if (item !== undefined) yield item;
      else await new Promise((resolve) => (wake = () => resolve(undefined)));
    }
    await job;
  } finally {
    left.abort();
  }
}
