// Pages for tests: the public API alone, or the whole page with something broken around it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openSite } from "./browser.mjs";
import { DIST, POLICY } from "./site.mjs";

/** The model that most tests use: small, and it answers. */
export const MODEL = "binary-mnist-vae";
const CARD = card(MODEL);
/** What the page lists. @type {{ id: string, title: string, family: string, bytes: number, sheet: string | null }[]} */
export const LISTED = JSON.parse(readFileSync(join(DIST, "models", "models.json"), "utf8"));
export const WEIGHTS = join("models", MODEL, CARD.weights.file);

/** The card of a shipped model. @param {string} id */
export function card(id) {
  return JSON.parse(readFileSync(join(DIST, "models", id, "card.json"), "utf8"));
}

/** The model of each family with the smallest file, of these. @param {typeof LISTED} [models] @returns {[string, string][]} family and id */
export function oneOfEachFamily(models) {
  return smallest(({ family }) => family, models);
}

/** The same, with grey and with coloured pictures. @returns {[string, string][]} family and id */
export function oneOfEachFamilyAndColour() {
  return smallest(({ family, id }) => `${family} ${card(id).image.channels}`);
}

/** @param {(model: typeof LISTED[number]) => string} kind @param {typeof LISTED} [models] @returns {[string, string][]} family and id */
function smallest(kind, models = LISTED) {
  const bySize = models.toSorted((a, b) => a.bytes - b.bytes);
  return [...new Map(bySize.toReversed().map((model) => [kind(model), model])).values()].map(({ family, id }) => [family, id]);
}

/** The files a test may start from. @param {string} path in dist */
export function dist(path) {
  return readFileSync(join(DIST, path));
}

/**
 * Several intercepts as one; the first that answers wins.
 * @param {((path: string, response: import("node:http").ServerResponse) => boolean)[]} all
 */
export function together(...all) {
  return (path, response) => all.some((one) => one(path, response));
}

/** Serves `body` in place of a file. @param {string} path @param {string | Uint8Array} body @param {object} [headers] */
export function replace(path, body, headers = {}) {
  return (asked, response) => {
    if (asked !== path) return false;
    response.writeHead(200, { "content-security-policy": POLICY, ...headers }).end(body);
    return true;
  };
}

/**
 * Breaks the browser around the engine: `code` runs in the worker before our own script does.
 * @param {string} code
 */
export function inWorker(code) {
  return replace("worker.js", `${code};\n${dist("worker.js")}`, { "content-type": "text/javascript" });
}

/**
 * Lets a test break things in the worker, by messages on the channel "faults": `destroy` the GPU's devices at so many submissions from
 * now (0: at once), let it have `noMoreAdapters`, `end` the worker as a browser may, in silence, and `count` what it holds.
 */
export const FAULTS = `{
  const devices = [];
  const buffers = new Set();
  let memory;
  let left = Infinity;
  const faults = new BroadcastChannel("faults");
  const destroy = () => devices.splice(0).forEach((device) => device.destroy());
  const watch = (prototype, name, also) => {
    const real = prototype[name];
    prototype[name] = function (...args) {
      const result = real.apply(this, args);
      also(result, this);
      return result;
    };
  };
  if (globalThis.GPUAdapter) {
    watch(GPUAdapter.prototype, "requestDevice", (device) => device.then((device) => devices.push(device), () => {}));
    watch(GPUDevice.prototype, "createBuffer", (buffer) => buffers.add(buffer));
    watch(GPUBuffer.prototype, "destroy", (_, buffer) => buffers.delete(buffer));
    watch(GPUQueue.prototype, "submit", () => --left === 0 && destroy());
  }
  watch(WebAssembly, "instantiate", (made) => made.then((made) => (memory = (made.instance ?? made).exports.memory)));
  faults.onmessage = ({ data }) => {
    if (data.noMoreAdapters) GPU.prototype.requestAdapter = async () => null;
    if (data.destroy === 0) destroy();
    else if (data.destroy) left = data.destroy;
    if (data.end) self.close();
    const bytes = [...buffers].reduce((sum, { size }) => sum + size, 0);
    if (data.count) faults.postMessage({ buffers: buffers.size, bytes, wasm: memory?.buffer.byteLength ?? 0 });
  };
}`;

/**
 * A page with nothing on it but the API, as `globalThis.api`.
 * @param {import("playwright-core").Browser} browser
 * @param {NonNullable<Parameters<typeof openSite>[1]>} [options]
 */
export async function openApi(browser, { intercept = () => false, ...options } = {}) {
  const blank = replace("blank.html", "<!doctype html><html lang=en><title>blank</title>", { "content-type": "text/html" });
  const site = await openSite(browser, { ...options, query: "blank.html", intercept: together(blank, intercept) });
  await prepareApi(site.page);
  return site;
}

/** The API of a page that was just loaded, and what tests do with it. @param {import("playwright-core").Page} page */
export async function prepareApi(page) {
  await page.evaluate(async () => {
    globalThis.api = await import(new URL("./p-of-x.js", location.href).href);
    // A stroke of ink, four pixels wide: the digit one.
    const ink = (_, i) => (i % 28 >= 12 && i % 28 < 16 && i >= 112 && i < 672 ? 255 : 0);
    globalThis.one = { width: 28, height: 28, data: Array.from({ length: 784 }, ink) };
    /** The last step of sampling, as plain arrays. */
    globalThis.samples = async (model, options) => {
      let last;
      let steps = 0;
      for await (const step of model.sample(options)) [last, steps] = [step, steps + 1];
      return { steps, done: last.done, images: [...last.images], values: [...last.values] };
    };
    /** What a promise came to: its value, or the error's fields. */
    globalThis.outcome = async (promise) => {
      try {
        return { value: await promise };
      } catch ({ name, code, message, recoverable }) {
        return { name, code, message, recoverable };
      }
    };
    /** What still works after a fault. */
    globalThis.stillWorks = async (model) => Number.isFinite((await model.logProb(one, { seed: 1 })).nats);
    /** Tells the workers what to break. */
    const faults = new BroadcastChannel("faults");
    globalThis.breaks = (fault) => faults.postMessage(fault);
    /** What the workers hold, summed; each answers within the time. */
    globalThis.held = async (ms = 200) => {
      const sum = { workers: 0, buffers: 0, bytes: 0, wasm: 0 };
      const hear = ({ data }) => {
        sum.workers += 1;
        for (const [name, value] of Object.entries(data)) sum[name] += value;
      };
      faults.addEventListener("message", hear);
      breaks({ count: true });
      await new Promise((resolve) => setTimeout(resolve, ms));
      faults.removeEventListener("message", hear);
      return sum;
    };
  });
}

/** Waits until the page has drawn its samples. @param {import("playwright-core").Page} page */
export async function sampled(page) {
  await page.locator("p-of-x .sample [role=option]:not([aria-disabled=true])").nth(15).waitFor({ timeout: 30_000 });
}

/** Waits until the page has an answer. @param {import("playwright-core").Page} page */
export async function answered(page) {
  await page.locator("pofx-answer:not([stale]) .value", { hasText: /−\d/ }).waitFor({ timeout: 30_000 });
}

/** Waits until every model on the lab's table has answered. @param {import("playwright-core").Page} page */
export async function probed(page) {
  await page.locator("pofx-lab-card").first().waitFor({ timeout: 60_000 });
  await page.waitForFunction(() => {
    const cards = [...document.querySelector("pofx-lab").shadowRoot.querySelectorAll("pofx-lab-card")];
    return cards.length > 0 && cards.every((card) => /nats/.test(card.shadowRoot.querySelector(".answer")?.textContent ?? ""));
  }, undefined, { timeout: 60_000 });
}

/** Goes to another room. @param {import("playwright-core").Page} page @param {"Generate" | "Ask"} room */
export async function enter(page, room) {
  await page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name: room }).click();
}
