// The examples of the npm package, each built by the tool that it is for, as a reader would: the element draws there.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./support/browser.mjs";
import { ROOT, unpack } from "./support/package.mjs";
import { serveFolder } from "./support/site.mjs";

const SOURCES = join(ROOT, "web/npm/examples");
const MODEL = "mnist-vae-2d";

/**
 * Where the package goes, what builds the page, where that is, and other hosts that the tool's own page asks.
 * @type {Record<string, { place: string, build: string[], out: string, page: string, asks?: RegExp }>}
 */
const EXAMPLES = {
  html: { place: "p-of-x", build: [], out: ".", page: "index.html" },
  mdbook: { place: "src/p-of-x", build: [tool("MDBOOK"), "build"], out: "book", page: "digits.html" },
  docusaurus: { place: "static/p-of-x", build: ["npm", "run", "build"], out: "build", page: "" },
  jupyter: {
    place: "p-of-x",
    build: [tool("JUPYTER"), "nbconvert", "--execute", "--to", "html", "digits.ipynb"],
    out: ".",
    page: "digits.html",
    // MathJax and RequireJS.
    asks: /^https:\/\/cdnjs\.cloudflare\.com\//,
  },
  observable: { place: "public/p-of-x", build: ["npm", "run", "build"], out: ".observable/dist", page: "digits.html" },
};

/** @param {string} name */
function tool(name) {
  const path = process.env[name];
  if (!path) throw new Error(`$${name} names no program: run \`cargo xtask test --browser\``);
  return path;
}

/** @type {import("playwright-core").Browser} */ let browser;
/** @type {string} */ let unpacked;
before(async () => {
  unpacked = unpack();
  browser = await launch();
});
after(() => browser.close());

/** Copies an example and the package, and builds it. @param {string} name @returns {string} the folder of the built site */
function build(name) {
  const { place, build, out } = EXAMPLES[name];
  const folder = join(ROOT, "target/examples", name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(unpacked, "package/examples", name), folder, { recursive: true });
  cpSync(join(unpacked, "package"), join(folder, place), { recursive: true, filter: (path) => basename(path) !== "examples" });
  const modules = join(SOURCES, name, "node_modules");
  if (existsSync(modules)) symlinkSync(modules, join(folder, "node_modules"), "junction");
  const [program, ...args] = build;
  // Docusaurus keeps its cache in node_modules, of another folder's build.
  const env = { ...process.env, DOCUSAURUS_NO_PERSISTENT_CACHE: "true" };
  if (program) execFileSync(program, args, { cwd: folder, env, stdio: "pipe", shell: process.platform === "win32" });
  return join(folder, out);
}

for (const [name, { page: path, asks }] of Object.entries(EXAMPLES)) {
  test(`${name}: the element draws finite numbers, and nothing is amiss`, async () => {
    const site = await serveFolder(build(name), { at: "/" });
    const page = await browser.newPage();
    const trouble = [];
    page.on("pageerror", ({ message }) => trouble.push(message));
    page.on("console", (message) => void (message.type() === "error" && trouble.push(`${message.text()} ${message.location().url}`)));
    await page.route(
      (url) => !url.href.startsWith(site.url) && url.protocol.startsWith("http"),
      (route) => {
        if (!asks?.test(route.request().url())) trouble.push(`asks ${route.request().url()}`);
        return route.fulfill({ contentType: "text/javascript", body: "" });
      },
    );
    await page.addInitScript(() => {
      globalThis.heard = new Promise((resolve, reject) => {
        addEventListener("sample", ({ detail }) => resolve({ n: detail.n, seed: detail.seed, values: [...detail.values] }));
        addEventListener("error", (event) => event instanceof CustomEvent && reject(event.detail));
      });
    });
    await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
    await page.goto(site.url + path);
    await page.locator(`p-of-x[model=${MODEL}]`).scrollIntoViewIfNeeded();
    const { n, seed, values } = await page.evaluate(() => heard);
    assert.deepEqual([n, seed, values.length], [16, 7, 16 * 28 * 28]);
    assert.ok(values.every(Number.isFinite) && new Set(values).size > 100);
    const gone = await page.locator("p-of-x").evaluate(({ shadowRoot }) => shadowRoot.querySelector("slot").hidden);
    assert.ok(gone, "what was drawn beforehand has gone");
    await page.close();
    await site.close();
    assert.deepEqual(trouble, []);
  });
}

test("a server that renders pages may import all of the package", () => {
  const imports = ["p-of-x", "p-of-x/element", "p-of-x/lab"].map((name) => `await import("${name}");`).join("");
  execFileSync(process.execPath, ["--input-type=module", "--eval", imports], { cwd: join(unpacked, "package"), stdio: "pipe" });
});
