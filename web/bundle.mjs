// Trunk's post-build hook: what Trunk does not do itself for the files in its staging folder.
// Shrinks the wasm of a release build, bundles the page's modules, copies the models, and lists all that for the service worker.

import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { writeServiceWorker } from "./offline.mjs";

const web = dirname(fileURLToPath(import.meta.url));
const WASM_OPT = join(web, "node_modules/binaryen/bin/wasm-opt");
const release = process.env.TRUNK_PROFILE === "release";
const out = process.env.TRUNK_STAGING_DIR;
if (!out) throw new Error("bundle.mjs is Trunk's hook: run `cargo xtask build`");

// The page, the worker, and the modules that other pages import: the API and the element. Each keeps its name; what they
// share goes into flat chunks, so that `new URL("./x", import.meta.url)` means the same everywhere.
const ENTRIES = ["main.js", "worker.js", "p-of-x.js", "element.js", "embed-page.js", "lab-page.js", "lab-api.js", "keeper.js"];

/** Models that a device keeps after the first visit without being asked: what the page opens by itself. */
const OFFLINE = ["binary-mnist-vae"];

const wasm = join(out, "playground_bg.wasm");
if (release) shrink(wasm);
const glue = join(out, "playground.js");
const buildId = createHash("sha256").update(readFileSync(wasm)).update(readFileSync(glue)).digest("hex").slice(0, 16);
appendFileSync(wasm, customSection("p-of-x build", buildId));
const engine = readFileSync(wasm);

const { metafile } = await build({
  entryPoints: ENTRIES.map((name) => join(web, "src", name)),
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  chunkNames: "[name]-[hash]",
  loader: { ".py": "text" },
  define: {
    BUILD_ID: JSON.stringify(buildId),
    ENGINE_BYTES: String(engine.length),
    ENGINE_SHA256: JSON.stringify(createHash("sha256").update(engine).digest("hex")),
  },
  // wasm-bindgen's module, which Trunk has put beside the wasm.
  plugins: [{ name: "engine", setup: (bundler) => bundler.onResolve({ filter: /\/playground\.js$/ }, () => ({ path: glue })) }],
  minify: release,
  sourcemap: release ? false : "linked",
  legalComments: "linked",
  logLevel: "warning",
  metafile: true,
});
rmSync(glue);
for (const page of readdirSync(out).filter((name) => name.endsWith(".html"))) addIntegrity(join(out, page));

const models = join(web, "models");
if (existsSync(models)) {
  cpSync(models, join(out, "models"), { recursive: true });
  writeFileSync(join(out, "models", "models.json"), JSON.stringify(listed()));
}

await writeServiceWorker(out, release);

/**
 * Lets a page run no file but those of its own build: scripts, what these import at once, and style sheets come with their checksum. The
 * query makes each version an address of its own, so that no cache answers a new page with an old file.
 */
function addIntegrity(page) {
  const html = readFileSync(page, "utf8").replace(/(<script type="module" src=|<link rel="stylesheet" href=)"(?:\.\/)?([\w-]+\.(js|css))"/g, (_, tag, file, kind) => {
    const preloads = kind === "css" ? [] : importedAtOnce(file).map((chunk) => `<link rel="modulepreload" href="./${chunk}" integrity="${digest(chunk)}" />\n    `);
    return `${preloads.join("")}${tag}"./${file}?${digest(file).slice(7, 15).replace(/\W/g, "-")}" integrity="${digest(file)}"`;
  });
  writeFileSync(page, html);
}

/** The modules that a module needs before it runs. @param {string} file @param {Set<string>} [found] @returns {string[]} */
function importedAtOnce(file, found = new Set()) {
  const output = Object.entries(metafile.outputs).find(([path]) => basename(path) === file)?.[1];
  for (const { kind, path } of output?.imports ?? []) {
    const chunk = basename(path);
    if (kind !== "import-statement" || found.has(chunk)) continue;
    found.add(chunk);
    importedAtOnce(chunk, found);
  }
  return [...found];
}

/** @param {string} file of the page */
function digest(file) {
  return `sha256-${createHash("sha256").update(readFileSync(join(out, file))).digest("base64")}`;
}

/** What the page knows of the models before it opens one, in the order of their ids (`Listed` of card.d.ts). */
function listed() {
  const ids = readdirSync(models).filter((id) => existsSync(join(models, id, "card.json"))).sort();
  return ids.map((id) => {
    const { title, family, data, weights, golden, sheet, image, network } = JSON.parse(readFileSync(join(models, id, "card.json"), "utf8"));
    const listed = { id, title, family, data: data.name.replace(/, (\d|pixel).*$/, ""), bytes: weights.bytes + golden.bytes, sheet, image };
    return { ...listed, binary: network.likelihood === "bernoulli", offline: OFFLINE.includes(id) };
  });
}

/** Runs wasm-opt, once per content: it takes far longer than everything else here. */
function shrink(path) {
  const before = withoutNames(readFileSync(path));
  const cache = join(web, "..", "target", "wasm-opt");
  const cached = join(cache, `${createHash("sha256").update(before).digest("hex")}.wasm`);
  if (!existsSync(cached)) {
    mkdirSync(cache, { recursive: true });
    const input = `${cached}.in`;
    const part = `${cached}.part`;
    writeFileSync(input, before);
    const started = performance.now();
    // On candle + wgpu, 1.2 MB without names, two cores: -O1 changes nothing after brotli in 6 s, -O2
    // saves 5 % in 13 s, -Oz 6 % in 28 s. The features that may be used are those the module names.
    execFileSync(process.execPath, [WASM_OPT, "-O2", input, "-o", part], { stdio: "inherit" });
    renameSync(part, cached);
    rmSync(input);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`wasm-opt: ${before.length} -> ${readFileSync(cached).length} bytes in ${seconds} s`);
  }
  copyFileSync(cached, path);
}

/** The module without function names and tool versions, which also are what makes wasm-opt slow. */
function withoutNames(wasm) {
  const kept = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length; ) {
    const [size, body] = leb128(wasm, at + 1);
    const end = body + size;
    if (wasm[at] !== 0 || !["name", "producers"].includes(customName(wasm, body))) kept.push(wasm.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}

/** A section that no engine reads, to append to a module. Both texts are shorter than 128 bytes together: lengths of one byte. */
function customSection(name, text) {
  const body = Buffer.concat([Buffer.from([name.length]), Buffer.from(name + text)]);
  return Buffer.concat([Buffer.from([0, body.length]), body]);
}

function customName(wasm, at) {
  const [length, start] = leb128(wasm, at);
  return wasm.toString("utf8", start, start + length);
}

/** An unsigned LEB128 number and the offset behind it. */
function leb128(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}
