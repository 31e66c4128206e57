// The page without a network, as an app, and when a new version comes: nothing surprises, and what was kept works.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { IN_FIREFOX, launch, openSite, paint, savedBy } from "./support/browser.mjs";
import { LISTED, MODEL, answered, card, dist, enter, oneOfEachFamily, openApi, replace, sampled } from "./support/lab.mjs";
import { DIST } from "./support/site.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

const JS = { "content-type": "text/javascript" };
/** What a browser writes of a request that no network took. @param {string} line */
const noNetwork = (line) => /ERR_INTERNET_DISCONNECTED|ERR_FAILED/.test(line);

/** The page with its service worker. @param {NonNullable<Parameters<typeof openSite>[1]>} [options] */
async function installed(options) {
  const site = await openSite(browser, { query: "?backend=cpu", ...options });
  await sampled(site.page);
  await controlled(site.page);
  return site;
}

/** Waits until a worker serves the page. @param {import("playwright-core").Page} page */
async function controlled(page) {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated", undefined, { timeout: 60_000 });
}

/**
 * Waits until a question to the page, asked again and again, is answered with yes.
 * @param {import("playwright-core").Page} page @param {(arg: any) => Promise<boolean>} question @param {unknown} [arg]
 */
async function until(page, question, arg) {
  for (const end = Date.now() + 30_000; !(await page.evaluate(question, arg)); ) {
    assert.ok(Date.now() < end, `never: ${question}`);
    await page.waitForTimeout(100);
  }
}

/** Looks for a new version, and waits for what comes of it. @param {import("playwright-core").Page} page @returns {Promise<string | undefined>} */
function update(page) {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const coming = new Promise((resolve) => registration.addEventListener("updatefound", () => {
      const worker = registration.installing;
      worker.addEventListener("statechange", () => ["installed", "redundant"].includes(worker.state) && resolve(worker.state));
    }));
    await registration.update();
    return Promise.race([coming, new Promise((resolve) => setTimeout(resolve, registration.installing ? 20_000 : 500))]);
  });
}

test("a second visit without a network, below a sub-path: both rooms and the lab work", async () => {
  const { page, trouble, url, close } = await installed();
  assert.match(new URL(url).pathname, /^\/some\/where\//);
  await page.context().setOffline(true);
  await page.reload();
  await sampled(page);
  await page.locator("p-of-x .dice").click();
  await sampled(page);
  await enter(page, "Ask");
  await answered(page);
  await page.goto(`${url}lab.html?backend=cpu`);
  await page.waitForFunction(() => /\d/.test(document.querySelector("pofx-lab")?.shadowRoot?.querySelector("table td")?.textContent ?? ""), undefined, { timeout: 30_000 });
  assert.equal(await page.evaluate(() => fetch("missing.html").then((r) => r.status, () => "no network")), "no network");
  assert.deepEqual(trouble.filter((line) => !noNetwork(line)), []);
  await close();
});

test("the lab alone, once visited, works without a network and brings the page with it", async () => {
  const { page, url, close } = await openSite(browser, { query: "lab.html?backend=cpu" });
  await controlled(page);
  // A card is kept once the files that it names are.
  await until(page, async (id) => Boolean(await caches.match(new URL(`models/${id}/card.json`, location.href))), MODEL);
  await page.context().setOffline(true);
  await page.goto(`${url}?backend=cpu`);
  await sampled(page);
  await close();
});

test("all models are kept on request; one of each family draws, answers and is saved without a network; then they are cleared", async () => {
  // The last file waits until the download was stopped.
  const { id } = LISTED.at(-1);
  const last = join("models", id, card(id).weights.file);
  let held = true;
  const { page, trouble, close } = await installed({ intercept: (path) => held && path === last });
  await page.getByText("Storage and offline use").click();
  const storage = page.locator("pofx-storage");
  const status = storage.getByRole("status");
  const rows = storage.locator("tbody tr");
  await storage.getByRole("button", { name: /^Keep all models/ }).click();
  await storage.getByRole("button", { name: /^Stop/ }).click();
  held = false;
  await status.getByText("The download was stopped; the next one goes on from here.").waitFor();
  await storage.getByRole("button", { name: /^Keep all models/ }).click();
  await status.getByText("All models are kept for offline use.").waitFor({ timeout: 60_000 });
  assert.equal(await rows.getByRole("button", { name: /^Clear/ }).count(), LISTED.length);
  await look(page);
  await page.context().setOffline(true);
  await page.reload();
  const drawn = await page.evaluate(async (families) => {
    const { open } = await import(new URL("./p-of-x.js", location.href).href);
    const drawn = [];
    for (const [family, id] of families) {
      const model = await open(id, { backend: "cpu" });
      const few = model.controls.some(({ name }) => name === "steps") ? { steps: 4 } : {};
      let data;
      for await (const { images } of model.sample({ n: 1, seed: 1, ...few })) data = images;
      const { size } = model.card.image;
      const { nats } = await model.logProb({ width: size, height: size, data }, { estimator: model.estimators.includes("laplace") ? "laplace" : "own" });
      model.close();
      if (Number.isFinite(nats)) drawn.push(family);
    }
    return drawn;
  }, oneOfEachFamily());
  assert.equal(drawn.length, 4, `${drawn}`);
  await sampled(page);
  await page.locator("pofx-sampler [role=option]").first().click();
  const saved = await savedBy(page, () => page.locator("pofx-large").getByRole("button", { name: "Picture", exact: true }).click());
  assert.equal(saved.bytes.toString("latin1", 1, 4), "PNG");
  await page.getByText("Storage and offline use").click();
  const [{ title }] = LISTED;
  const row = rows.filter({ has: page.locator("th", { hasText: title }) }).first();
  await row.getByRole("button", { name: /^Clear/ }).click();
  await status.getByText(`${title} is cleared.`).waitFor();
  assert.equal(await row.locator("td").first().innerText(), "–");
  await storage.getByRole("button", { name: /^Clear all models/ }).click();
  await storage.getByRole("button", { name: "Clear them" }).click();
  await status.getByText("All models are cleared from this device.").waitFor();
  const left = await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("p-of-x");
    return (await Array.fromAsync(folder.keys())).length;
  });
  assert.equal(left, 0);
  assert.deepEqual(trouble.filter((line) => !noNetwork(line)), []);
  await close();
});

/** Pictures of the storage panel for a person, where $SHOTS names a folder. @param {import("playwright-core").Page} page */
async function look(page) {
  if (!process.env.SHOTS) return;
  for (const [name, width, colorScheme] of /** @type {const} */ ([["wide", 1280, "light"], ["dark", 1280, "dark"], ["phone", 360, "light"]])) {
    await page.setViewportSize({ width, height: 900 });
    await paint(page, colorScheme);
    await page.locator("footer").screenshot({ path: `${process.env.SHOTS}/storage-${name}.png` });
  }
}

test("a stop between two models is heard", async () => {
  const { page, trouble, close } = await installed();
  await page.getByText("Storage and offline use").click();
  const storage = page.locator("pofx-storage");
  // What is kept is counted after each model: that takes as long as the test likes.
  await page.evaluate(() => {
    navigator.storage.estimate = () => new Promise((counted) => Object.assign(window, { counted }));
  });
  await storage.getByRole("button", { name: /^Keep all models/ }).click();
  await page.waitForFunction(() => "counted" in window);
  await storage.getByRole("button", { name: /^Stop/ }).click();
  await page.evaluate(() => {
    delete navigator.storage.estimate;
    window.counted({});
  });
  await storage.getByRole("status").getByText("The download was stopped; the next one goes on from here.").waitFor();
  await storage.getByRole("button", { name: /^Keep all models/, disabled: false }).waitFor();
  assert.deepEqual(trouble, []);
  await close();
});

test("a device keeps at most 30 MB by itself, and less than 40 MB with every model", async () => {
  const listed = [...dist("service-worker.js").toString().matchAll(/\{url:"([^"]+)"/g)].map(([, url]) => url);
  for (const needed of ["index.html", "lab.html", "main.js", "worker.js", "playground_bg.wasm", "models/models.json"]) assert.ok(listed.includes(needed), needed);
  const page = listed.reduce((sum, url) => sum + dist(url).length, 0);
  const models = LISTED.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(page < 7e6, `${page} bytes of the page`);
  assert.ok(page + models < 40e6, `${page + models} bytes with every model`);
  const first = page + LISTED.filter(({ offline }) => offline).reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(first <= 30e6, `${first} bytes after the first visit`);
});

/** The worker of the next version, when there is one. */
function versions() {
  const state = { worker: "" };
  const intercept = (path, response) => Boolean(state.worker) && replace("service-worker.js", state.worker, JS)(path, response);
  return { state, intercept };
}

const WORKER = dist("service-worker.js").toString();

test("a new version waits until the person agrees, and nothing is said without one", async () => {
  const { state, intercept } = versions();
  const { page, close } = await installed({ intercept });
  const line = page.locator("pofx-note .line");
  await update(page);
  assert.equal(await line.count(), 0);
  state.worker = `${WORKER}\n// version 2`;
  await page.evaluate(() => void (globalThis.still = true));
  assert.equal(await update(page), "installed");
  await line.getByText("A new version is ready.").waitFor();
  assert.equal(await page.evaluate(() => globalThis.still), true);
  await Promise.all([page.waitForEvent("load"), line.getByRole("button", { name: "Reload" }).click()]);
  await sampled(page);
  assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.ready).waiting), null);
  assert.equal(await line.count(), 0);
  await close();
});

test("while another tab has the old version open, it goes on whole, though its files left the server", async () => {
  const { state, intercept } = versions();
  // After the update the server has none of the files that the page loads when they are first needed.
  const gone = (path, response) => state.gone !== false && Boolean(state.worker) && /^(panel|asker)-.*\.js$|^worker\.js$/.test(path) && Boolean(response.writeHead(404).end());
  const { page, url, trouble, close } = await installed({ intercept: (path, response) => intercept(path, response) || gone(path, response) });
  const other = await page.context().newPage();
  await other.goto(`${url}?backend=cpu`);
  await sampled(other);
  state.worker = `${WORKER}\n// version 2`;
  await update(page);
  const line = page.locator("pofx-note .line");
  await line.getByRole("button", { name: "Reload" }).click();
  await line.getByText("the other tab must be closed, or reloaded with this one").waitFor();
  await other.getByText("Storage and offline use").click();
  await other.locator("pofx-storage tbody tr").first().waitFor();
  await enter(other, "Ask");
  await answered(other);
  // The files are there again, of the version that the person agrees to for all tabs.
  const later = other.locator("pofx-note .line").getByRole("button", { name: "Later" });
  if (await later.count()) await later.click();
  state.gone = false;
  await Promise.all([page.waitForEvent("load"), other.waitForEvent("load"), line.getByRole("button", { name: "Reload all tabs" }).click()]);
  for (const tab of [page, other]) {
    assert.equal(await tab.evaluate(async () => (await navigator.serviceWorker.ready).waiting), null);
    await tab.waitForFunction(() => document.querySelector("p-of-x")?.opened);
  }
  assert.deepEqual(trouble, []);
  await close();
});

test("a first visit loads the picture of no model but the one that it opens; those that were seen or kept are there without a network", async () => {
  const sheets = [];
  const note = (path) => (path.endsWith("sheet.png") && sheets.push(path), false);
  const { page, trouble, close } = await installed({ intercept: note });
  assert.deepEqual(sheets, ["models/binary-mnist-vae/sheet.png"]);
  await page.locator("pofx-chooser summary").click();
  const seen = page.locator("pofx-chooser img").last();
  await seen.scrollIntoViewIfNeeded();
  await page.waitForFunction(() => [...document.querySelector("pofx-chooser").shadowRoot.querySelectorAll("img")].at(-1).naturalWidth > 0);
  const src = await seen.getAttribute("src");
  await until(page, async (src) => Boolean(await caches.match(src)), src);
  await page.context().setOffline(true);
  assert.ok(await page.evaluate(async (src) => (await (await fetch(src)).blob()).size > 1000, src));
  assert.deepEqual(trouble.filter((line) => !noNetwork(line)), []);
  await close();
});

test("a version whose files are not those of its list is not installed, and the old one works on", async () => {
  const { state, intercept } = versions();
  const { page, close } = await installed({ intercept });
  state.worker = WORKER.replace(/(url:"main\.js",revision:")(.{4})(.*?integrity:"sha256-)(.{4})/, "$1beef$3AAAA");
  assert.notEqual(state.worker, WORKER);
  assert.equal(await update(page), "redundant");
  assert.equal(await page.locator("pofx-note .line").count(), 0);
  await page.context().setOffline(true);
  await page.reload();
  await sampled(page);
  await close();
});

test("page and engine of two versions are told apart before the first call", async () => {
  const [, id] = /p-of-x build(.{16})$/s.exec(dist("playground_bg.wasm").toString("latin1")) ?? [];
  const other = dist("worker.js").toString().replaceAll(id, "0123456789abcdef");
  assert.notEqual(other, dist("worker.js").toString());
  const { page, close } = await openApi(browser, { intercept: replace("worker.js", other, JS) });
  const { code, message } = await page.evaluate(async (id) => outcome(api.open(id, { backend: "cpu" })), MODEL);
  await close();
  assert.equal(code, "integrity");
  assert.equal(message, "The page and its engine are of two versions; reload the page.");
});

test("a page that the browser held while the person was elsewhere draws on with the engine that it had", { skip: IN_FIREFOX && "Chromium alone is told to hold pages" }, async (t) => {
  const holding = await launch([], { ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  t.after(() => holding.close());
  const { page, trouble, url, close } = await openSite(holding, { query: "?backend=cpu" });
  await sampled(page);
  await controlled(page);
  // What the page does once it is alive is over.
  await page.waitForTimeout(1000);
  const engines = [];
  page.on("worker", (worker) => worker.url().endsWith("/worker.js") && engines.push(worker.url()));
  await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => void (globalThis.held = persisted)));
  await page.goto(`${url}models/models.json`);
  await page.goBack({ waitUntil: "commit" });
  await page.waitForFunction(() => document.querySelector("p-of-x")?.opened);
  assert.equal(await page.evaluate(() => globalThis.held), true);
  await page.locator("p-of-x #seed").fill("12");
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  await page.waitForFunction(() => {
    const { sampling, step } = document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler");
    return !sampling && step.done === step.n && step.seed === 12;
  });
  assert.deepEqual(engines, []);
  assert.equal(await page.locator("p-of-x .alert").count(), 0);
  // The list of models, where the person was, is no page and has no icon.
  assert.deepEqual(trouble.filter((line) => !line.includes("favicon.ico")), []);
  await close();
});

test("retire.js in place of the worker takes the page out of the browser", async () => {
  const { state, intercept } = versions();
  const { page, close } = await installed({ intercept });
  state.worker = readFileSync(fileURLToPath(new URL("../../web/retire.js", import.meta.url)), "utf8");
  await update(page);
  await until(page, async () => {
    const names = await caches.keys();
    return (await navigator.serviceWorker.getRegistrations()).length === 0 && !names.some((name) => name.startsWith("workbox"));
  });
  await page.context().setOffline(true);
  await assert.rejects(page.reload());
  await close();
});

test("Chromium finds nothing against installing it as an app", { skip: IN_FIREFOX && "Firefox can't be asked" }, async () => {
  const { page, url, close } = await openSite(browser, { query: "?backend=cpu" });
  const cdp = await page.context().newCDPSession(page);
  const { url: manifest, errors } = await cdp.send("Page.getAppManifest");
  assert.equal(manifest, `${url}manifest.webmanifest`);
  assert.deepEqual(errors, []);
  const { installabilityErrors } = await cdp.send("Page.getInstallabilityErrors");
  // Contexts of tests are private windows, which install nothing.
  assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
  await close();
});

test("the policy with Trusted Types is in force, and no room breaks it", async () => {
  const violations = [];
  const prepare = async (page) => {
    await page.exposeFunction("violated", (text) => violations.push(text));
    await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => violated(`${event.effectiveDirective} ${event.sample}`)));
  };
  const { page, url, trouble, close } = await installed({ prepare });
  await enter(page, "Ask");
  await answered(page);
  await page.getByText("Storage and offline use").click();
  await page.locator("pofx-storage tbody tr").first().waitFor();
  await page.goto(`${url}lab.html?backend=cpu`);
  await page.waitForFunction(() => document.querySelector("pofx-lab")?.shadowRoot?.querySelector("table td"));
  assert.deepEqual(violations, []);
  assert.deepEqual(trouble, []);
  const refused = await page.evaluate(() => {
    try {
      document.createElement("p").innerHTML = "<b>x</b>";
    } catch ({ name }) {
      return name;
    }
  });
  assert.equal(refused, "TypeError");
  await close();
});

test("a page runs its own files alone: one that was changed on the server is refused", async () => {
  const pages = readdirSync(DIST).filter((name) => name.endsWith(".html"));
  for (const name of pages) {
    const tags = dist(name).toString().match(/<script [^>]*>|<link [^>]*rel="(?:stylesheet|modulepreload)"[^>]*>/g);
    assert.ok(tags.length >= 2 && tags.every((tag) => / integrity="sha256-/.test(tag)), `${name}: ${tags.join("\n")}`);
  }
  const [, chunk] = /<link rel="modulepreload" href="\.\/([^"]+)"/.exec(dist("index.html").toString());
  for (const file of ["main.js", chunk]) {
    const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu", intercept: replace(file, `${dist(file)}\n;globalThis.pwned = true`, JS) });
    await page.waitForLoadState("load");
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined, file);
    assert.match(trouble.join("\n"), /integrity/, file);
    await close();
  }
});

test("nothing that runs text as code or as HTML is built in, but for the templates of lit-html", () => {
  const scripts = readdirSync(DIST).filter((name) => name.endsWith(".js"));
  for (const name of scripts) {
    const code = dist(name).toString();
    assert.doesNotMatch(code, /\beval\(|new Function\b|document\.write\b|insertAdjacentHTML|unsafeHTML/, name);
    // Each of lit's own, for a template that its policy has signed.
    if (!code.includes("litHtmlVersions")) assert.doesNotMatch(code, /innerHTML|outerHTML/, name);
  }
});
