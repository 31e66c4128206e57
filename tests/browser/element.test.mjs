// The element on pages of others: several of them, under a strict policy, from another origin, and what a page hears of them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";
import { dist, replace, together } from "./support/lab.mjs";
import { serveDist } from "./support/site.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** What the README tells pages to allow. @param {string} from where the element comes from @param {string} worker */
const policy = (from, worker) =>
  `default-src 'none'; script-src ${from} 'wasm-unsafe-eval'; worker-src ${worker}; connect-src ${from}; img-src ${from}; style-src 'self'`;

/** A page of somebody's. @param {string} body @param {string} csp @param {string} [from] */
const host = (body, csp, from = "./") =>
  replace("host.html", `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="${from}icon.svg"><script type="module" src="${from}element.js"></script>${body}</html>`, {
    "content-type": "text/html",
    "content-security-policy": csp,
  });

/** Waits for the samples of an element. */
async function sampled(page, id) {
  await page.locator(`#${id} pofx-sampler [role=option]:not([aria-disabled=true])`).first().waitFor({ timeout: 30_000 });
}

/** Runs in the page: writes down what the elements say. */
function listen() {
  globalThis.heard = [];
  for (const name of ["load", "sample", "estimate", "progress", "error"]) {
    document.addEventListener(name, ({ target, detail }) => {
      if (target.localName !== "p-of-x") return;
      const said = { sample: detail?.n, estimate: detail?.kind, progress: detail?.phase, error: detail?.code, load: detail?.id }[name];
      globalThis.heard.push(`${target.id} ${name} ${said}`);
    });
  }
}

test("several on one page: one worker, each its events, a distant one waits until it comes into view", async () => {
  const asked = [];
  const note = (path) => {
    if (path.endsWith("weights.safetensors")) asked.push(path.split("/")[1]);
    return false;
  };
  const body = `<p-of-x id="one" backend="cpu" task="generate" n="4"></p-of-x><p-of-x id="two" backend="cpu" task="ask"></p-of-x>
    <hr><p-of-x id="far" backend="cpu" task="generate" n="1" model="mnist-vae"></p-of-x>`;
  const page = host(body, policy("'self'", "'self'"));
  const site = await openSite(browser, {
    query: "host.html",
    context: { viewport: { width: 1280, height: 1000 } },
    intercept: (path, response) => note(path) || page(path, response),
    prepare: async (page) => {
      await page.addInitScript(listen);
      // A policy refuses style attributes, not style sheets that scripts make.
      await page.addInitScript(() => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync("hr { margin-top: 4000px } p-of-x { --pofx-accent: rgb(1 2 3) } #one::part(sample) { border-width: 7px }");
        document.adoptedStyleSheets = [sheet];
      });
    },
  });
  await sampled(site.page, "one");
  await site.page.locator("#two pofx-answer:not([stale]) .value", { hasText: /−\d/ }).waitFor({ timeout: 30_000 });
  assert.equal(await site.page.locator("#two pofx-sampler").evaluate((sampler) => sampler.checkVisibility()), false);
  assert.deepEqual(asked, ["binary-mnist-vae"], "two that open one model at once download it once, and what is far away loads nothing");
  const before = await site.page.evaluate(() => globalThis.heard);
  assert.ok(!before.some((said) => said.startsWith("far")), before.join("\n"));
  assert.ok(before.includes("one load binary-mnist-vae") && before.includes("one sample 4") && before.includes("two estimate lower_bound"), before.join("\n"));
  assert.ok(before.some((said) => said.endsWith("progress download")), before.join("\n"));

  await site.page.locator("#far").scrollIntoViewIfNeeded();
  await sampled(site.page, "far");
  assert.deepEqual(asked, ["binary-mnist-vae", "mnist-vae"]);
  assert.equal(site.page.workers().length, 1);

  // A file is taken by the element under it.
  await site.page.locator("#far").evaluate((element) => {
    const data = new DataTransfer();
    data.items.add(new File(["no weights"], "mine.safetensors"));
    element.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true, composed: true }));
  });
  await site.page.locator("#far .alert").waitFor();
  const after = await site.page.evaluate(() => globalThis.heard);
  assert.deepEqual(after.filter((said) => said.includes(" error ")), ["far error bad-weights"]);

  // Colours and parts are the page's.
  assert.equal(await site.page.locator("#one section.sample").evaluate((section) => getComputedStyle(section).borderTopWidth), "7px");
  assert.equal(await site.page.locator("#one .primary").first().evaluate((button) => getComputedStyle(button).backgroundColor), "rgb(1, 2, 3)");
  await site.page.locator("#one").evaluate((element) => element.remove());
  assert.equal(await site.page.locator("#two .alert").count(), 0);
  await site.close();
  assert.deepEqual(site.trouble, []);
});

test("from another origin, under a policy that names that origin and blob: workers", async () => {
  const cdn = await serveDist(undefined, { "access-control-allow-origin": "*" });
  const from = new URL(cdn.url).origin;
  const own = await serveDist(host(`<p-of-x id="one" n="4" seed="7"></p-of-x>`, policy(from, `blob: ${from}`), cdn.url));
  const page = await browser.newPage();
  const trouble = [];
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(error.message));
  await page.goto(`${own.url}host.html`);
  await sampled(page, "one").catch(() => assert.fail(trouble.join("\n")));
  await page.locator("pofx-answer:not([stale]) .value", { hasText: /−\d/ }).waitFor({ timeout: 30_000 });
  // Without rooms both halves are there, and a choice is asked about.
  await page.locator("pofx-sampler [role=option]").nth(2).click();
  await page.locator("pofx-asker .caption", { hasText: "Sample 3 of seed 7" }).waitFor();
  await page.locator("pofx-large").getByRole("heading", { name: "Sample 3 of seed 7" }).waitFor();
  assert.equal(await page.locator("pofx-large").getByRole("button", { name: "Ask more about it" }).count(), 0);
  await page.close();
  await Promise.all([own.close(), cdn.close()]);
  assert.deepEqual(trouble, []);
});

const FALLBACK = `<p-of-x id="one" backend="cpu" task="generate" n="1"><img src="icon.svg" alt="A digit"></p-of-x>`;

/** What stands in the place of the element, and what it says. @param {import("playwright-core").Page} page */
async function seen(page) {
  const shown = await page.getByAltText("A digit").evaluate((image) => image.checkVisibility());
  const panels = await page.locator("#one").evaluate((one) => [...(one.shadowRoot?.querySelectorAll(".panels, pofx-lab") ?? [])].some((part) => part.checkVisibility()));
  return { shown, panels, said: (await page.locator("#one .alert p").allTextContents()).join() };
}

/** A page whose element has something in it. @param {{ body?: string, csp?: string, intercept?: Parameters<typeof serveDist>[0], script?: string }} options */
async function openFallback({ body = FALLBACK, csp = policy("'self'", "'self'"), intercept = () => false, script = "" }) {
  const site = await serveDist(together(host(body, csp), intercept));
  const page = await browser.newPage();
  await page.addInitScript(listen);
  await page.addInitScript(script);
  await page.goto(`${site.url}host.html`, { waitUntil: "commit" });
  return { page, close: () => Promise.all([page.close(), site.close()]) };
}

test("what is in it is shown until engine and model are there", async () => {
  /** @type {[string, () => void][]} */ const held = [];
  const slow = ["element.js", "playground_bg.wasm", "models/binary-mnist-vae/weights.safetensors"];
  const intercept = (path, response) => {
    if (!slow.includes(path)) return false;
    const type = path.endsWith(".js") ? "text/javascript" : "application/octet-stream";
    held.push([path, () => response.writeHead(200, { "content-type": type }).end(dist(path))]);
    return true;
  };
  const { page, close } = await openFallback({ intercept });
  for (const path of slow) {
    while (held.length === 0) await page.waitForTimeout(50);
    assert.deepEqual(await seen(page), { shown: true, panels: false, said: "" }, path);
    const [asked, answer] = held.pop();
    assert.equal(asked, path);
    answer();
  }
  await sampled(page, "one");
  assert.deepEqual(await seen(page), { shown: false, panels: true, said: "" });
  await close();
});

/** @param {string} path */
const cut = (path) => (asked, response) => asked === path && Boolean(response.destroy());

for (const [why, options, said] of /** @type {[string, Parameters<typeof openFallback>[0], RegExp | undefined][]} */ ([
  ["WebAssembly", { script: "delete globalThis.WebAssembly" }, /no WebAssembly/],
  ["a policy for WebAssembly", { csp: policy("'self'", "'self'").replace(" 'wasm-unsafe-eval'", "") }, /script-src needs 'wasm-unsafe-eval'/],
  ["a policy for workers", { csp: policy("'self'", "'none'") }, /worker did not start.*worker-src/],
  ["a policy for downloads", { csp: policy("'self'", "'self'").replace("connect-src 'self'", "connect-src 'none'") }, /could not be downloaded.*connect-src/],
  ["a policy for its script", { csp: "default-src 'none'; img-src 'self'" }, undefined],
  ["a network for its script", { intercept: cut("element.js") }, undefined],
  ["a network for the engine", { intercept: cut("playground_bg.wasm") }, /engine could not be downloaded: the network did not answer/],
  ["a network for the model", { intercept: cut("models/binary-mnist-vae/card.json") }, /could not be downloaded: the network did not answer/],
])) {
  test(`without ${why} what is in it is shown${said ? ", and why" : ""}`, async () => {
    const { page, close } = await openFallback(options);
    if (said) await page.locator("#one .alert").waitFor({ timeout: 60_000 });
    else await page.waitForLoadState();
    const { said: text, ...rest } = await seen(page);
    assert.deepEqual(rest, { shown: true, panels: false });
    assert.match(text, said ?? /^$/);
    await close();
  });
}

test("once the network is back, another try takes the place of what is in it", async () => {
  let down = true;
  const engine = cut("playground_bg.wasm");
  const half = (path, response) => /^sampler-.*\.js$/.test(path) && cut(path)(path, response);
  for (const broken of [engine, half]) {
    down = true;
    const { page, close } = await openFallback({ intercept: (path, response) => down && broken(path, response) });
    await page.locator("#one .alert").waitFor({ timeout: 60_000 });
    assert.equal((await seen(page)).shown, true);
    down = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await sampled(page, "one");
    assert.deepEqual(await seen(page), { shown: false, panels: true, said: "" });
    await close();
  }
});

const LAB = `<p-of-x id="one" task="lab" backend="cpu"><img src="icon.svg" alt="A digit"></p-of-x>`;

test("what is in the lab's element is shown until its models are there, and where they can't be, beside the reason", async () => {
  let down = true;
  const engine = cut("playground_bg.wasm");
  for (const [why, code, options] of /** @type {[RegExp, string, Parameters<typeof openFallback>[0]][]} */ ([
    [/no WebAssembly/, "no-wasm", { script: "delete globalThis.WebAssembly" }],
    [/worker did not start.*worker-src/, "network", { csp: policy("'self'", "'none'") }],
    [/engine could not be downloaded: the network did not answer/, "network", { intercept: (path, response) => down && engine(path, response) }],
  ])) {
    const { page, close } = await openFallback({ body: LAB, ...options });
    await page.locator("#one .alert").waitFor({ timeout: 60_000 });
    const { said, ...rest } = await seen(page);
    assert.deepEqual(rest, { shown: true, panels: false });
    assert.match(said, why);
    assert.deepEqual(await page.evaluate(() => globalThis.heard), [`one error ${code}`]);
    if (options.intercept) {
      down = false;
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator("#one pofx-lab-card").first().waitFor({ timeout: 60_000 });
      assert.deepEqual(await seen(page), { shown: false, panels: true, said: "" });
      assert.equal((await page.evaluate(() => globalThis.heard)).at(-1), "one load undefined");
    }
    await close();
  }
});

test("once the network is back, another try brings the lab", async () => {
  let down = true;
  const half = (path, response) => down && /^lab-[A-Z\d]{8}\.js$/.test(path) && cut(path)(path, response);
  const page = host(`<p-of-x id="lab" task="lab" backend="cpu"></p-of-x>`, policy("'self'", "'self'"));
  const site = await openSite(browser, { query: "host.html", intercept: together(page, half) });
  await site.page.locator("#lab .alert").waitFor({ timeout: 60_000 });
  down = false;
  await site.page.getByRole("button", { name: "Try again" }).click();
  await site.page.locator("#lab pofx-lab-card").first().waitFor({ timeout: 30_000 });
  assert.equal(await site.page.locator("#lab").evaluate((element) => element.opened), undefined);
  await site.close();
});

test("the lab in any page: what its attribute says, no model's weights, and the page's address stays", async () => {
  const models = encodeURIComponent(JSON.stringify([["mixture", 1, 0, {}], ["kernel", 1, 0, {}]]));
  const body = `<p-of-x id="lab" task="lab" backend="cpu" n="1" setting="lab.set=rings&lab.n=200&lab.seed=3&lab.models=${models}"></p-of-x>`;
  const weights = new Set();
  const page = host(body, policy("'self'", "'self'"));
  const site = await openSite(browser, {
    query: "host.html",
    intercept: (path, response) => (path.endsWith(".safetensors") && void weights.add(path)) || page(path, response),
    prepare: (page) => page.addInitScript(() => addEventListener("statechange", ({ detail }) => detail && (globalThis.setting = detail))),
  });
  const cards = site.page.locator("#lab pofx-lab-card");
  await cards.nth(1).waitFor({ timeout: 30_000 });
  assert.deepEqual(await cards.locator("h3").allInnerTexts(), ["Gaussian mixture", "Kernel density"]);
  await site.page.waitForFunction(() => globalThis.setting);
  assert.match(await site.page.evaluate(() => globalThis.setting), /lab\.set=rings&lab\.n=200&lab\.seed=3/);
  assert.equal(await site.page.evaluate(() => location.hash), "");
  assert.equal(weights.size, 0);
  // And back to what has a model.
  await site.page.locator("#lab").evaluate((element) => element.setAttribute("task", "generate"));
  await sampled(site.page, "lab");
  assert.equal(await cards.count(), 0);
  await site.close();
  assert.deepEqual(site.trouble, []);
});
