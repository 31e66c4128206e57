// Our engines.

import init, { Case, multiply_adds, workloads } from "/ours/bench.js";

await init();

export { Case, multiply_adds, workloads };

/** @param {"cpu" | "webgpu"} engine */
export function ours(engine) {
  return {
    name: "ours",
    engine,
    load: async (test) => {
      const runner = await test.load(engine);
      return {
        run: () => runner.run(),
        close: () => runner.free(),
        facts: { dispatches: runner.dispatches, bytes: runner.bytes },
      };
    },
  };
}
