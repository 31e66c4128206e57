// The benchmark: the same networks with the same weights on our engines and on others, in one Chromium page, taking turns.
// `cargo xtask bench` builds what it needs and runs it. The last line is one JSON object.
//
//   node tests/browser/bench/main.mjs [--only unet,vae] [--engines cpu,webgpu] [--peers ort,tfjs] [--rounds 9]

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch } from "../support/browser.mjs";
import { useProcessorTime } from "./clock.mjs";
import { serve } from "./server.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
const root = join(here, "../../..");
const FOLDERS = {
  ours: join(root, "target/bench-page"),
  page: join(here, "page"),
  ort: join(here, "node_modules/onnxruntime-web/dist"),
};
const BLANK = { "bench.html": "<!doctype html><title>bench</title>" };

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    engines: { type: "string", default: "cpu,webgpu" },
    peers: { type: "string", default: "ort,tfjs" },
    rounds: { type: "string", default: "9" },
  },
});

const site = await serve(FOLDERS, BLANK);
const browser = await launch();
const page = await (await browser.newContext()).newPage();
page.on("pageerror", (error) => console.error(`page: ${error.message}`));
await page.goto(`${site.url}bench.html`);

await useProcessorTime(browser, page);
const { ids, peak } = await page.evaluate(async () => {
  const { multiply_adds, workloads } = await import("/page/ours.js");
  const { peak } = await import("/page/run.js");
  return { ids: workloads(), peak: await peak(multiply_adds, globalThis.clock) };
});
const wanted = options.only?.split(",");
const chosen = ids.filter((id) => !wanted || wanted.some((name) => id === name || id.startsWith(`${name}_`)));
console.log(`multiply-adds on vectors: ${(peak / 1e9).toFixed(1)} Gflop/s`);

const rows = [];
for (const id of chosen) {
  for (const engine of options.engines.split(",")) {
    const results = await page.evaluate(measure, { id, engine, peers: options.peers.split(","), rounds: Number(options.rounds) });
    for (const row of results) console.log(line(row));
    rows.push(...results);
  }
}
await browser.close();
site.close();
console.log(JSON.stringify({ peak_gflops: peak / 1e9, rows }));

/** Runs in the page. */
async function measure({ id, engine, peers, rounds }) {
  const { Case, ours } = await import("/page/ours.js");
  const { compare } = await import("/page/run.js");
  const contestants = [ours(engine)];
  if (peers.includes("ort")) contestants.push((await import("/page/ort.js")).onnxruntime(engine));
  const test = new Case(id);
  // A GPU's work is done elsewhere than in the page's thread.
  const clock = engine === "cpu" ? globalThis.clock : () => performance.now();
  const rows = await compare(test, contestants.filter((c) => c.knows?.(test) ?? true), rounds, clock);
  return rows.map((row) => ({ ...row, flops: test.flops }));
}

function line({ workload, size, engine, contestant, ms, speed_ratio, difference, flops, dispatches, load_ms, error }) {
  const what = `${workload}${size ? ` ${size}` : ""}`.padEnd(14) + engine.padEnd(8) + contestant.padEnd(18);
  if (error) return `${what} failed: ${error}`;
  const speed = `${ms.toFixed(2).padStart(10)} ms ${(flops / ms / 1e6).toFixed(1).padStart(7)} Gflop/s   ratio ${speed_ratio.toFixed(2).padStart(6)}`;
  return `${what}${speed}   off by ${difference.toExponential(1)}   loaded in ${load_ms.toFixed(0)} ms${dispatches ? `, ${dispatches} dispatches` : ""}`;
}
