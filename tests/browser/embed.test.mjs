// In other people's pages: the packed npm package on an origin of its own, as an element under a strict policy, in a frame that talks
// by messages, and as types.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./support/browser.mjs";
import { ROOT, unpack } from "./support/package.mjs";
import { DIST, serveFolder } from "./support/site.mjs";

const MODEL = "binary-mnist-vae";

/** @type {import("playwright-core").Browser} */ let browser;
/** The package, as a host that lets others import it would serve it. */
let cdn;
/** @type {string} */ let unpacked;
before(async () => {
  unpacked = unpack();
  cdn = await serveFolder(join(unpacked, "package"), { headers: { "access-control-allow-origin": "*" } });
  browser = await launch();
});
after(async () => {
  await browser.close();
  await cdn.close();
});

/**
 * A page of another origin.
 * @param {string} body @param {Record<string, string>} [headers]
 */
async function openHost(body, headers = {}) {
  const intercept = (path, response) => {
    if (path !== "host.html" && path !== "host.js") return false;
    const [type, text] = path === "host.js" ? ["text/javascript", headers.script ?? ""] : ["text/html", `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title><body>${body}`];
    response.writeHead(200, { "content-type": type, ...(headers.csp ? { "content-security-policy": headers.csp } : {}) }).end(text);
    return true;
  };
  const site = await serveFolder(DIST, { intercept });
  const page = await browser.newPage();
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("console", (message) => void (message.type() === "error" && trouble.push(message.text())));
  await page.goto(`${site.url}host.html`);
  const close = async () => {
    await page.close();
    await site.close();
  };
  return { page, trouble, url: site.url, close };
}

test("from another origin, under the policy of the README, without COOP and COEP: the element draws, answers, and tells", async () => {
  const origin = new URL(cdn.url).origin;
  const readme = readFileSync(join(unpacked, "package/README.md"), "utf8");
  const policy = /^ {4}(script-src 'self' https:\/\/cdn\.example.+)$/m.exec(readme)?.[1];
  assert.ok(policy, "the README has the policy");
  const csp = `default-src 'none'; ${policy.replaceAll("https://cdn.example", origin)}`;
  const script = `
    globalThis.events = [];
    const element = document.querySelector("p-of-x");
    for (const name of ["load", "sample", "estimate", "progress", "error"]) document.body.addEventListener(name, ({ detail }) => events.push([name, detail]), name === "error");
    import(${JSON.stringify(`${cdn.url}element.js`)});`;
  const { page, trouble, close } = await openHost(
    `<canvas width="10" height="3000"></canvas><p-of-x model="${MODEL}" backend="cpu" seed="3" n="4">Without JavaScript: this.</p-of-x><script type="module" src="host.js"></script>`,
    { csp, script },
  );
  await page.evaluate(() => document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => events.push(["violation", `${violatedDirective} ${blockedURI}`])));
  await page.waitForFunction(() => customElements.get("p-of-x"));
  await page.waitForTimeout(500);
  const names = () => page.evaluate(() => events.map(([name]) => name));
  assert.deepEqual(await names(), [], "nothing is loaded before it comes into view");
  await page.locator("p-of-x").scrollIntoViewIfNeeded();
  await page.waitForFunction(() => events.some(([name]) => name === "estimate" || name === "error"), undefined, { timeout: 60_000 });
  const failed = await page.evaluate(() => events.filter(([name]) => name === "error" || name === "violation").map(([, detail]) => detail.message ?? detail));
  assert.deepEqual(failed, []);
  const [model, n, nats, isolated] = await page.evaluate(() => {
    const detail = (name) => events.findLast(([of]) => of === name)[1];
    return [detail("load").id, detail("sample").n, detail("estimate").nats, crossOriginIsolated];
  });
  assert.deepEqual([model, n, isolated], [MODEL, 4, false]);
  assert.ok(Number.isFinite(nats));
  const seen = await names();
  assert.ok(seen.includes("progress") && !seen.includes("error") && !seen.includes("violation"), seen.join(" "));
  await close();
  assert.deepEqual(trouble, []);
});

test("in a frame: messages go both ways between the two pages, and between no others", async () => {
  const { page, trouble, url, close } = await openHost("");
  const host = new URL(url).origin;
  await page.evaluate(
    ([src, origin]) => {
      globalThis.heard = [];
      addEventListener("message", ({ origin: from, data }) => void (from === origin && data?.type === "p-of-x" && heard.push(data)));
      const frame = Object.assign(document.createElement("iframe"), { src, title: "Samples", width: 600, height: 700 });
      frame.sandbox.add("allow-scripts", "allow-same-origin");
      document.body.append(frame);
      globalThis.say = (message) => frame.contentWindow.postMessage(message, origin);
    },
    [`${cdn.url}embed.html?model=${MODEL}&task=generate&seed=5&n=4&backend=cpu&host=${encodeURIComponent(host)}`, new URL(cdn.url).origin],
  );
  const sample = (/** @type {number} */ seed) =>
    page.waitForFunction((seed) => heard.some(({ event, detail }) => event === "sample" && detail.seed === seed), seed, { timeout: 60_000 });
  await sample(5);
  assert.ok(await page.evaluate(() => heard.some(({ event, detail }) => event === "load" && detail.id) && heard.some(({ event, detail }) => event === "height" && detail > 100)));
  const inner = page.frames()[1];
  const broken = [];
  page.on("pageerror", (error) => broken.push(error.message));
  await page.evaluate(() => {
    const shapes = [null, undefined, 7, "p-of-x", [], {}, { type: "p-of-x" }, { type: "p-of-x", set: null }, { type: "p-of-x", set: 7 }, { type: "p-of-x", set: { onclick: "alert(1)", seed: {}, model: "x".repeat(5000) } }, { type: "p-of-x", ask: "x" }, { type: "p-of-x", ask: [1, 2] }, { type: "p-of-x", ask: Array(784).fill(1e9) }, { type: "p-of-x", ask: Array(784).fill(NaN) }, { type: "else", set: { seed: "9" } }];
    for (let i = 0; i < 1000; i += 1) say(shapes[i % shapes.length]);
  });
  // Neither another frame nor the frame itself is its parent.
  await page.evaluate(() => document.body.append(Object.assign(document.createElement("iframe"), { src: "about:blank", title: "Another", name: "another" })));
  const another = () => page.frames().find((frame) => frame !== inner && frame.parentFrame());
  while (!another()) await page.waitForTimeout(20);
  await another().evaluate(() => parent.frames[0].postMessage({ type: "p-of-x", set: { seed: "66" } }, "*"));
  await inner.evaluate(() => postMessage({ type: "p-of-x", set: { seed: "66" } }, "*"));
  await page.waitForTimeout(500);
  assert.deepEqual(await inner.evaluate(() => [document.querySelector("p-of-x").getAttribute("seed"), document.querySelector("p-of-x").onclick, document.querySelector("p-of-x").model]), ["5", null, MODEL]);
  await page.evaluate((id) => say({ type: "p-of-x", set: { model: id } }), "mnist-vae");
  await page.waitForFunction(() => heard.filter(({ event }) => event === "load").length === 2, undefined, { timeout: 60_000 });
  assert.deepEqual(broken, []);
  await close();
  assert.deepEqual(trouble, []);
});

test("in a frame without an origin, which keeps nothing: the model draws all the same, and its parent hears of it", async () => {
  const { page, close } = await openHost("");
  const host = new URL(page.url()).origin;
  await page.evaluate((src) => {
    globalThis.heard = [];
    // The origin of such a frame is "null".
    addEventListener("message", ({ origin, data }) => void (origin === "null" && data?.type === "p-of-x" && heard.push(data)));
    const frame = Object.assign(document.createElement("iframe"), { src, title: "Samples", width: 600, height: 700 });
    frame.sandbox.add("allow-scripts");
    document.body.append(frame);
  }, `${cdn.url}embed.html?model=${MODEL}&task=generate&seed=5&n=4&backend=cpu&host=${encodeURIComponent(host)}`);
  await page.waitForFunction(() => heard.some(({ event }) => event === "sample" || event === "error"), undefined, { timeout: 60_000 });
  assert.deepEqual(await page.evaluate(() => heard.filter(({ event }) => event === "error").map(({ detail }) => detail.message)), []);
  await close();
});

test("a frame whose host is another says nothing to its parent", async () => {
  const { page, close } = await openHost("");
  for (const host of ["", "https://else.example", "null", "javascript:alert(1)", `${new URL(page.url()).origin}.example`]) {
    await page.evaluate(
      (src) => {
        globalThis.heard = 0;
        window.onmessage = () => void (heard += 1);
        document.querySelector("iframe")?.remove();
        document.body.append(Object.assign(document.createElement("iframe"), { src, title: "Samples" }));
      },
      `${cdn.url}embed.html?model=${MODEL}&task=generate&n=1&backend=cpu&host=${encodeURIComponent(host)}`,
    );
    const frame = page.frameLocator("iframe");
    await frame.locator("p-of-x [role=option]:not([aria-disabled=true])").first().waitFor({ timeout: 60_000 });
    assert.equal(await page.evaluate(() => heard), 0, host);
    // Nor does it listen.
    await page.evaluate(() => document.querySelector("iframe").contentWindow.postMessage({ type: "p-of-x", set: { seed: "66" } }, "*"));
    await page.waitForTimeout(50);
    assert.equal(await frame.locator("p-of-x").getAttribute("seed"), "7", host);
  }
  await close();
});

test("the types of the package hold for a program that uses all of it", () => {
  const project = join(unpacked, "user");
  mkdirSync(join(project, "node_modules"), { recursive: true });
  writeFileSync(
    join(project, "user.ts"),
    `import { open, models, type Estimate } from "p-of-x";
import { Lab } from "p-of-x/lab";
import type { PofxElement } from "p-of-x/element";
const element: PofxElement = document.createElement("p-of-x");
element.addEventListener("estimate", ({ detail }) => console.log(detail.nats, detail.kind));
const model = await open((await models())[0].id, { backend: "cpu", onProgress: ({ phase, done, total }) => console.log(phase, done / total) });
for await (const step of model.sample({ n: 4, seed: 7 })) console.log(step.images.length, step.done);
const estimate: Estimate = await model.logProb({ width: 28, height: 28, data: new Uint8Array(784) });
const error: number | null = estimate.std_error;
const card = await new Lab().add({ family: "gan" }, await new Lab().data({ set: "two-moons" }));
await card.train(10, { player: "generator" });
// @ts-expect-error a seed is a number or text
model.sample({ seed: {} });
console.log(error);
`,
  );
  const paths = { "p-of-x": ["../package/types/p-of-x.d.ts"], "p-of-x/lab": ["../package/types/lab-api.d.ts"], "p-of-x/element": ["../package/types/element.d.ts"] };
  const compilerOptions = { strict: true, noEmit: true, module: "esnext", target: "es2022", moduleResolution: "bundler", lib: ["es2023", "dom", "dom.iterable"], types: [], paths };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["user.ts"] }));
  execFileSync(process.execPath, [join(ROOT, "web/node_modules/typescript/bin/tsc"), "--project", project], { stdio: "pipe", encoding: "utf8" });
  const { exports } = JSON.parse(readFileSync(join(unpacked, "package/package.json"), "utf8"));
  for (const name of [".", "./element", "./lab"]) {
    for (const file of Object.values(exports[name])) assert.ok(readFileSync(join(unpacked, "package", file)).length > 0, file);
  }
});
