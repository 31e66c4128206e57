// The benchmark: the same networks with the same weights on our engines and on others, in one Chromium page, taking turns.
// `cargo xtask bench` builds what this needs and runs it; its result is target/bench.json.
//
//   --only unet,vae       workloads; without it also cold start and downloads
//   --engines cpu,webgpu  where to compute
//   --peers ort,tfjs      with what to compare, beside candle, which runs natively
//   --rounds 9            timed turns of each; fewer where a turn takes seconds
//   --native, --trainer, --page FILE   JSON of what was measured before

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { launch } from "../support/browser.mjs";
import { useProcessorTime } from "./clock.mjs";
import { COLD_HTML, brotliBytes, coldStart } from "./cold.mjs";
import { line, ratios } from "./report.mjs";
import { serve } from "./server.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
const target = join(here, "../../../target");
const FOLDERS = {
  ours: join(target, "bench/page"),
  files: join(target, "bench/files"),
  onnx: join(target, "bench/models"),
  page: join(here, "page"),
  ort: join(here, "node_modules/onnxruntime-web/dist"),
  tfjs: join(target, "bench/tfjs"),
  "tfjs-wasm": join(here, "node_modules/@tensorflow/tfjs-backend-wasm/dist"),
};
const PAGE = "bench.html";

/** Answers may differ by this much of the largest value: sums of some thousand terms in another order. */
const TOLERANCE = 1e-3;

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    engines: { type: "string", default: "cpu,webgpu" },
    peers: { type: "string", default: "ort,tfjs" },
    rounds: { type: "string", default: "9" },
    native: { type: "string" },
    trainer: { type: "string" },
    page: { type: "string" },
  },
});
const [engines, peers] = [options.engines.split(","), options.peers.split(",")];
const json = (file) => (file ? JSON.parse(readFileSync(file, "utf8")) : undefined);

if (peers.includes("tfjs")) await bundle();
const site = await serve(FOLDERS, { [PAGE]: "<!doctype html><title>bench</title>", ...COLD_HTML });
const browser = await launch();
/** Paths of all files that the pages of the networks asked for. */
const asked = new Set();
const { rows, peak } = await networks();
const golden = peers.includes("ort") ? await check() : [];
const result = {
  ratios: ratios(rows, json(options.native) ?? []),
  peak_gflops: peak / 1e9,
  rows,
  golden,
  native: json(options.native),
  trainer: json(options.trainer),
  page: json(options.page),
  ...(!options.only && { cold_start: await cold(), brotli_bytes: downloads() }),
};
await browser.close();
site.close();
writeFileSync(join(target, "bench.json"), `${JSON.stringify(result, null, 1)}\n`);
const wrong = [...rows, ...golden].filter((row) => row.error);
for (const { workload, contestant, engine, error } of wrong) console.log(`FAILED: ${workload} by ${contestant} on ${engine}: ${error}`);
console.log("target/bench.json is written");
process.exitCode = wrong.length > 0 ? 1 : 0;

/** TensorFlow.js as one file: its packages import each other by name. */
async function bundle() {
  const entryPoints = [join(here, "peers/tensorflow.js")];
  await build({ entryPoints, outdir: FOLDERS.tfjs, bundle: true, format: "esm", minify: true, logLevel: "error" });
}

/** All workloads on all contestants. */
async function networks() {
  const page = await open();
  await useProcessorTime(browser, page);
  const { ids, peak } = await page.evaluate(async () => {
    const { multiply_adds, workloads } = await import("/page/ours.js");
    const { peak } = await import("/page/run.js");
    return { ids: workloads(), peak: await peak(multiply_adds, globalThis.clock) };
  });
  console.log(`multiply-adds on vectors, this processor, one thread of WASM: ${(peak / 1e9).toFixed(1)} Gflop/s`);
  const wanted = options.only?.split(",");
  const rows = [];
  for (const id of ids.filter((id) => !wanted || wanted.some((name) => id === name || id.startsWith(`${name}_`)))) {
    for (const engine of engines) {
      for (const row of await page.evaluate(measure, { id, engine, peers, rounds: Number(options.rounds) })) {
        // A NaN is not within any tolerance.
        if (!row.error && !(row.difference <= TOLERANCE)) row.error = `its answer is off by ${row.difference}`;
        console.log(line(row, peak));
        rows.push(row);
      }
    }
  }
  await page.context().close();
  return { rows, peak };
}

/** Runs in the page. */
async function measure({ id, engine, peers, rounds }) {
  const { Case, ours } = await import("/page/ours.js");
  const { compare } = await import("/page/run.js");
  const contestants = [ours(engine)];
  if (peers.includes("ort")) contestants.push((await import("/page/ort.js")).onnxruntime(engine));
  if (peers.includes("tfjs")) contestants.push((await import("/page/tfjs.js")).tensorflow(engine));
  const test = new Case(id);
  // A GPU's work is done elsewhere than in the page's thread.
  const clock = engine === "cpu" ? globalThis.clock : () => performance.now();
  const rows = await compare(test, contestants.filter((c) => c.knows?.(test) ?? true), rounds, clock);
  return rows.map((row) => ({ ...row, flops: test.flops }));
}

/** onnxruntime-web on the golden vectors of the shipped models, as `pofx export --onnx` writes them. */
async function check() {
  const names = existsSync(FOLDERS.onnx) ? readdirSync(FOLDERS.onnx).filter((name) => name.endsWith(".onnx")) : [];
  const page = await open();
  const rows = [];
  for (const name of names) {
    for (const engine of engines) {
      const row = { workload: name, contestant: "onnxruntime-web", engine };
      const judge = async ([name, engine]) => (await import("/page/ort.js")).referee(`/onnx/${name}`, engine);
      rows.push({ ...row, ...(await page.evaluate(judge, [name, engine]).catch((error) => ({ error: error.message }))) });
      const { difference, error } = rows.at(-1);
      if (!error && !(difference <= TOLERANCE)) rows.at(-1).error = `the golden vector is off by ${difference}`;
      console.log(`golden vector of ${name} on ${engine}: ${error ?? `off by ${difference.toExponential(0)}`}`);
    }
  }
  await page.context().close();
  return rows;
}

/** A page whose requests are remembered. */
async function open() {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  page.on("request", (request) => asked.add(new URL(request.url()).pathname));
  await page.goto(site.url + PAGE);
  return page;
}

async function cold() {
  const times = await coldStart(browser, site.url, 5);
  const [ours, theirs] = [times.ours.ms, times["onnxruntime-web"].ms];
  console.log(`cold start to the first image: ours ${ours.toFixed(0)} ms, onnxruntime-web ${theirs.toFixed(0)} ms: ${(theirs / ours).toFixed(2)} x`);
  return times;
}

/** Bytes after brotli of what runs a network: scripts and wasm, no weights. */
function downloads() {
  const bytes = (wanted) => {
    const paths = [...asked].filter(wanted).map((path) => path.split("/").slice(1));
    return brotliBytes(paths.map(([folder, ...rest]) => join(FOLDERS[folder], ...rest)), join(target, "bench/brotli"));
  };
  const of = (folder, webgpu) => (path) => path.startsWith(`/${folder}/`) && /webgpu|asyncify|jsep/.test(path) === webgpu;
  const sizes = { ours: bytes(of("ours", false)), onnxruntime_wasm: bytes(of("ort", false)), onnxruntime_webgpu: bytes(of("ort", true)) };
  const mb = Object.entries(sizes).map(([name, size]) => `${name} ${(size / 1e6).toFixed(2)} MB`);
  console.log(`download after brotli, without weights: ${mb.join(", ")}`);
  return sizes;
}
