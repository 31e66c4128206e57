// The element on pages of others: several of them, under a strict policy, from another origin, and what a page hears of them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";
import { replace } from "./support/lab.mjs";
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
