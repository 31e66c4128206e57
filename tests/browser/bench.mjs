// Speed of the built page through its public API, and the bytes it costs. The two backends take turns
// in one browser, so that a busy machine slows both. The last line is one JSON object.
//
//   node tests/browser/bench.mjs [id ..]   with ids: only the pictures, frames and answers of these models; with `lab`: only the lab

import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { answers } from "./bench/answers.mjs";
import { frames } from "./bench/frames.mjs";
import { pictures } from "./bench/pictures.mjs";
import { plane } from "./bench/plane.mjs";
import { launch, openSite } from "./support/browser.mjs";
import { LISTED, oneOfEachFamily } from "./support/lab.mjs";
import { DIST } from "./support/site.mjs";

const MODEL = "binary-mnist-vae";
const ROUNDS = 9;
const PAGE_FILES = [".html", ".js", ".css", ".wasm", ".svg"];

const ids = process.argv.slice(2);
const browser = await launch();
const chosen = LISTED.filter(({ id }) => ids.length === 0 || ids.includes(id));
const sampled = await pictures(browser, chosen, ["cpu", "webgpu"]);
// The page is the same for all models of a family.
const ofFamilies = oneOfEachFamily(chosen).map(([family, id]) => ({ family, id }));
const smooth = await frames(browser, ofFamilies, ["cpu", "webgpu"]);
// SwiftShader would take minutes for what chains and flows ask.
const answered = await answers(browser, chosen, ["cpu"]);
const questions = ids.length === 0 ? await ask() : {};
const lab = ids.length === 0 || ids.includes("lab") ? { lab: await plane(browser) } : {};
await browser.close();
console.log(JSON.stringify({ cores: availableParallelism(), pictures: sampled, frames: smooth, answers: answered, ...questions, ...lab }));
process.exitCode = [...sampled, ...smooth, ...answered].some(({ error }) => error) ? 1 : 0;

/** Two questions to one model, both backends in turns. */
async function ask() {
  const { page, close } = await openSite(browser, { query: "bench-host.html", intercept: blankPage });
  const { adapter, times } = await page.evaluate(measure, { model: MODEL, rounds: ROUNDS });
  await close();
  const summary = Object.entries(times).map(([query, { cpu, webgpu }]) => [
    query,
    { cpu_ms: median(cpu), webgpu_ms: median(webgpu), cpu_over_webgpu: ratio(median(cpu), median(webgpu)) },
  ]);
  return { model: MODEL, rounds: ROUNDS, adapter, ...Object.fromEntries(summary), brotli_bytes: sizes() };
}

/** The API without the page around it, whose own work would be measured too. */
function blankPage(path, response) {
  if (path !== "bench-host.html") return false;
  response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>bench</title>");
  return true;
}

/** Runs in the browser. @param {{ model: string, rounds: number }} options */
async function measure({ model, rounds }) {
  const { open } = await import(new URL("./p-of-x.js", location.href).href);
  const backends = ["cpu", "webgpu"];
  const models = {};
  for (const backend of backends) {
    models[backend] = await open(model, { backend });
    const { name, reason } = models[backend].backend;
    if (name !== backend) throw new Error(`asked for ${backend}, got ${name}: ${reason}`);
  }
  // A stroke of ink, four pixels wide: the digit one.
  const ink = (_, i) => (i % 28 >= 12 && i % 28 < 16 && i >= 112 && i < 672 ? 255 : 0);
  const image = { width: 28, height: 28, data: Array.from({ length: 784 }, ink) };
  const queries = {
    sample_16: async (model, seed) => {
      for await (const _ of model.sample({ n: 16, seed }));
    },
    iwae_64: (model, seed) => model.logProb(image, { budget: "fast", seed }),
  };
  const times = {};
  for (const [name, query] of Object.entries(queries)) {
    times[name] = { cpu: [], webgpu: [] };
    for (const backend of backends) await query(models[backend], 0);
    for (let seed = 1; seed <= rounds; seed++) {
      for (const backend of backends) {
        const started = performance.now();
        await query(models[backend], seed);
        times[name][backend].push(performance.now() - started);
      }
    }
  }
  const info = (await navigator.gpu.requestAdapter())?.info;
  return { adapter: info ? `${info.vendor} ${info.architecture}` : null, times };
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return Number(sorted[Math.floor(sorted.length / 2)].toFixed(2));
}

function ratio(a, b) {
  return Number((a / b).toFixed(2));
}

/** What a first visit downloads, compressed as a good static host does it. */
function sizes() {
  const files = readdirSync(DIST, { recursive: true }).map(String);
  const bytes = (chosen) => chosen.reduce((sum, file) => sum + brotliCompressSync(readFileSync(join(DIST, file))).length, 0);
  return {
    page: bytes(files.filter((file) => PAGE_FILES.includes(extname(file)))),
    weights: bytes(files.filter((file) => file.endsWith("weights.safetensors"))),
  };
}
