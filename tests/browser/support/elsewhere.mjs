// The tests that every browser takes beside Chromium, whose numbers theirs are held to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AXE } from "./axe.mjs";
import { launch } from "./browser.mjs";
import { dist, oneOfEachFamily, replace, together } from "./lab.mjs";
import { serveDist } from "./site.mjs";

const ASK_ALL = readFileSync(fileURLToPath(new URL("ask-all.js", import.meta.url)));
const LONG = 60_000;

const JS = { "content-type": "text/javascript" };
const HTML = { "content-type": "text/html; charset=utf-8" };

/** Runs first in a page: writes down what goes wrong. */
const WATCH = `
  const trouble = (globalThis.trouble = []);
  addEventListener("error", ({ message }) => message && trouble.push(message));
  addEventListener("unhandledrejection", ({ reason }) => trouble.push(String(reason)));
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => trouble.push(violatedDirective + " " + blockedURI));
  const { error } = console;
  console.error = (...said) => (trouble.push(said.join(" ")), error(...said));`;
const watched = (/** @type {string} */ path) => replace(path, dist(path).toString().replace("<head>", `<head><script src="watch.js"></script>`), HTML);
/** The page, watched; its list of files is of the page as it is, so it has no service worker. */
const site = together(watched("index.html"), watched("lab.html"), replace("watch.js", WATCH, JS), replace("service-worker.js", "", JS));

/** A blank page on which every family is asked. @param {string} backend */
const asking = (backend) =>
  together(
    replace("ask.html", `<!doctype html><html lang="en"><title>Ask</title><script type="module" src="ask-all.js"></script></html>`, HTML),
    replace("ask-all.js", ASK_ALL, JS),
    replace("what.json", JSON.stringify({ backend, models: oneOfEachFamily().map(([, id]) => id) })),
  );

/** @typedef {{ id: string, name: string, reason: string, values: number[], nats: number | string, kind: string }} Answer */

/** What Chromium says on its CPU path. @returns {Promise<Answer[]>} */
async function chromium() {
  const served = await serveDist(asking("cpu"));
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(`${served.url}ask.html`);
  await page.waitForFunction(() => globalThis.answers, undefined, { timeout: LONG });
  const answers = await page.evaluate(() => globalThis.answers);
  await browser.close();
  await served.close();
  return answers;
}

/** @param {string} name @param {() => Promise<import("./webdriver.mjs").Driven>} open */
export function worksIn(name, open) {
  /** @type {import("./webdriver.mjs").Driven} */ let driven;
  /** @type {import("selenium-webdriver").WebDriver} */ let driver;
  before(async () => {
    driven = await open();
    driver = driven.driver;
    await driver.manage().setTimeouts({ script: LONG, pageLoad: LONG });
  });
  after(() => driven?.close());

  /** Waits until a question to the page is answered with something. @param {() => unknown} question */
  const until = (question) => driver.wait(() => driver.executeScript(question), LONG, String(question));

  for (const [room, path, ready] of /** @type {[string, string, () => unknown][]} */ ([
    ["Generate", "index.html#v=1&room=generate", sampled],
    ["Ask", "index.html#v=1&room=ask", answered],
    ["Lab", "lab.html", probed],
  ])) {
    test(`${name}: the room ${room} comes up, axe finds nothing, and nothing is amiss`, async () => {
      const served = await serveDist(site);
      await driver.get(served.url + path);
      await until(ready);
      await driver.executeScript(AXE);
      const found = await driver.executeAsyncScript(`const done = arguments[0]; axe.run().then(({ violations }) => done(violations.map(({ id, nodes }) => id + " " + nodes[0].html)))`);
      assert.deepEqual(found, []);
      assert.deepEqual(await driver.executeScript("return trouble"), []);
      await driver.get("about:blank");
      await served.close();
    });
  }

  test(`${name}: every family draws and answers on the CPU, with the reason, as in Chromium`, async () => {
    const expected = await chromium();
    const served = await serveDist(asking("auto"));
    await driver.get(`${served.url}ask.html`);
    await until(() => globalThis.answers);
    // As text: drivers round the last bit of a number.
    const answers = /** @type {Answer[]} */ (JSON.parse(await driver.executeScript("return JSON.stringify(answers)")));
    assert.ok(Array.isArray(answers), String(answers));
    for (const { id, name, reason } of answers) {
      assert.equal(name, "cpu", id);
      assert.match(reason, /no WebGPU|CPU learns them faster/, id);
    }
    const numbers = (/** @type {Answer[]} */ all) => all.map(({ id, values, nats, kind }) => ({ id, values, nats, kind }));
    assert.deepEqual(numbers(answers), numbers(expected), "to the bit");
    await served.close();
  });

  for (const [directive, forbidden] of [
    ["wasm-unsafe-eval", "script-src 'self'"],
    ["worker-src", "script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'"],
    ["connect-src", "script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'"],
  ]) {
    test(`${name}: where a policy forbids the engine, the element says ${directive} and shows what is in it`, async () => {
      const page = `<!doctype html><html lang="en"><title>A page</title><script type="module" src="element.js"></script><p-of-x loading="eager"><b>Instead</b></p-of-x></html>`;
      const served = await serveDist(replace("host.html", page, { ...HTML, "content-security-policy": forbidden }), { "content-security-policy": forbidden });
      await driver.get(`${served.url}host.html`);
      await until(() => document.querySelector("p-of-x")?.shadowRoot?.querySelector(".alert"));
      const [said, shown] = await driver.executeScript(() => [document.querySelector("p-of-x").shadowRoot.querySelector(".alert p").textContent, document.querySelector("b").getBoundingClientRect().width > 0]);
      assert.match(said, new RegExp(directive));
      assert.ok(shown);
      await served.close();
    });
  }

  test(`${name}: the second visit needs no network`, async () => {
    const served = await serveDist();
    await driver.get(served.url);
    await until(sampled);
    await until(() => navigator.serviceWorker.controller?.state === "activated");
    await driver.get(`${served.url}lab.html`);
    await until(probed);
    await served.close();
    await driver.get(served.url);
    await until(sampled);
    await driver.get(`${served.url}lab.html`);
    await until(probed);
  });
}

// ---- in the page -------------------------------------------------------------------------------------------------------

function sampled() {
  const sampler = document.querySelector("p-of-x")?.shadowRoot?.querySelector("pofx-sampler")?.shadowRoot;
  const pictures = sampler?.querySelector("pofx-picture-list")?.shadowRoot;
  return pictures?.querySelectorAll("[role=option]:not([aria-disabled=true])").length === 16;
}

function answered() {
  const answer = document.querySelector("p-of-x")?.shadowRoot?.querySelector("pofx-asker")?.shadowRoot?.querySelector("pofx-answer");
  return !answer?.stale && /−\d/.test(answer?.shadowRoot?.querySelector(".value")?.textContent ?? "");
}

function probed() {
  const cards = [...(document.querySelector("pofx-lab")?.shadowRoot?.querySelectorAll("pofx-lab-card") ?? [])];
  return cards.length > 0 && cards.every(({ shadowRoot }) => /nats/.test(shadowRoot.querySelector(".answer")?.textContent) && /[1-9]/.test(shadowRoot.querySelector(".steps")?.textContent));
}
