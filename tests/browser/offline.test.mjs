// Without a network, with a cut, full or damaged one: the page goes on, and says what it can't do.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";
import { MODEL, WEIGHTS, dist, openApi, ready } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** Waits until a worker serves the page, and the default model is kept. @param {import("playwright-core").Page} page */
async function installed(page) {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated", undefined, { timeout: 60_000 });
}

test("a second visit without a network, below a sub-path, draws and answers", async () => {
  const { page, trouble, url, close } = await openSite(browser, { query: "?backend=cpu" });
  await ready(page);
  await installed(page);
  assert.match(new URL(url).pathname, /^\/some\/where\//);
  await page.context().setOffline(true);
  await page.reload();
  await ready(page);
  await page.locator("p-of-x .dice").click();
  await ready(page);
  assert.equal(await page.evaluate(() => fetch("missing.html").then((r) => r.status, () => "no network")), "no network");
  assert.deepEqual(trouble.filter((line) => !/missing\.html|ERR_INTERNET_DISCONNECTED|ERR_FAILED/.test(line)), []);
  await close();
});

test("a new version waits until the person agrees, and nothing is said without one", async () => {
  let later = "";
  const intercept = (path, response) => {
    if (path !== "service-worker.js" || !later) return false;
    response.writeHead(200, { "content-type": "text/javascript" }).end(`${dist(path)}\n${later}`);
    return true;
  };
  const { page, close } = await openSite(browser, { query: "?backend=cpu", intercept });
  await ready(page);
  await installed(page);
  const update = () => page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
  await update();
  await page.waitForTimeout(1000);
  assert.equal(await page.locator("pofx-note .line").count(), 0);
  later = "// version 2";
  await page.evaluate(() => void (globalThis.still = true));
  await update();
  const line = page.locator("pofx-note .line");
  await line.getByText("A new version is ready.").waitFor();
  await page.screenshot({ path: process.env.SHOTS ? `${process.env.SHOTS}/update.png` : undefined });
  assert.equal(await page.evaluate(() => globalThis.still), true);
  await Promise.all([page.waitForEvent("load"), line.getByRole("button", { name: "Reload" }).click()]);
  await ready(page);
  assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.ready).waiting), null);
  assert.equal(await page.locator("pofx-note .line").count(), 0);
  await close();
});

test("damaged weights are downloaded anew, said once, and the answer is the same", async () => {
  let downloads = 0;
  const site = await openApi(browser, { intercept: (path) => (path === WEIGHTS && (downloads += 1), false) });
  const [before, after, said] = await site.page.evaluate(async (id) => {
    const said = [];
    new BroadcastChannel("p-of-x storage").onmessage = ({ data }) => said.push(data.text);
    const answer = async () => (await (await api.open(id, { backend: "cpu" })).logProb(one, { seed: 1 })).nats;
    const before = await answer();
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("p-of-x");
    for await (const handle of folder.values()) {
      if ((await handle.getFile()).size < 500_000) continue;
      const stream = await handle.createWritable({ keepExistingData: true });
      await stream.write({ type: "write", position: 100_000, data: new Uint8Array(4096) });
      await stream.close();
    }
    return [before, await answer(), said];
  }, MODEL);
  await site.close();
  assert.equal(before, after);
  assert.equal(downloads, 2);
  assert.deepEqual(said, [`The copy of ${MODEL} on this device was damaged; it is downloaded again.`]);
});

for (const ranges of [true, false]) {
  test(`a cut download ${ranges ? "goes on where it stopped" : "starts again where the server gives no parts"}`, async () => {
    const weights = dist(WEIGHTS);
    const half = weights.length >> 1;
    let sent = 0;
    let cut = true;
    const intercept = (path, response) => {
      if (path !== WEIGHTS) return false;
      const range = ranges && /^bytes=(\d+)-$/.exec(response.req.headers.range ?? "");
      const from = range ? Number(range[1]) : 0;
      const headers = { "content-length": weights.length - from };
      if (range) headers["content-range"] = `bytes ${from}-${weights.length - 1}/${weights.length}`;
      response.writeHead(range ? 206 : 200, headers);
      const body = weights.subarray(from, cut ? half : undefined);
      sent += body.length;
      if (cut) response.write(body, () => setTimeout(() => response.destroy(), 300));
      else response.end(body);
      return true;
    };
    const site = await openApi(browser, { intercept });
    const open = () => site.page.evaluate((id) => outcome(api.open(id, { backend: "cpu" }).then(stillWorks)), MODEL);
    const first = await open();
    assert.equal(first.code, "network");
    assert.match(first.message, /stopped after \d+ of \d+ bytes/);
    [cut, sent] = [false, 0];
    const second = await open();
    await site.close();
    assert.equal(second.value, true);
    assert.ok(ranges ? sent <= weights.length - half + 0.02 * weights.length : sent === weights.length, `${sent} bytes were sent`);
  });
}

test("without room the model works from memory, and the page says so", async () => {
  const { page, url, close } = await openSite(browser, {
    query: "?backend=cpu",
    prepare: async (page) => {
      const cdp = await page.context().newCDPSession(page);
      page.on("framenavigated", () => void cdp.send("Storage.overrideQuotaForOrigin", { origin: new URL(page.url()).origin, quotaSize: 100_000 }).catch(() => {}));
    },
  });
  await ready(page);
  assert.ok(url);
  const note = page.locator("pofx-note .line p");
  await note.waitFor({ timeout: 30_000 });
  assert.match(await note.innerText(), /^This browser has no room to keep binary-mnist-vae \(\d.*MB\); it works now.*\.$/);
  await close();
});

test("storage: a model is kept, works offline, and is cleared again", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu" });
  await ready(page);
  await installed(page);
  await page.getByText("Storage and offline use").click();
  const row = page.locator("pofx-storage tr", { hasText: "R3GAN" }).or(page.locator("pofx-storage tbody tr", { hasText: /GAN/ })).first();
  const title = await row.locator("th").innerText();
  await row.getByRole("button", { name: /Keep/ }).click();
  await page.locator("pofx-storage [role=status]", { hasText: "is kept for offline use" }).waitFor();
  if (process.env.SHOTS) {
    await page.locator("pofx-storage").scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${process.env.SHOTS}/storage.png`, fullPage: true });
  }
  await page.context().setOffline(true);
  const works = await page.evaluate(async (title) => {
    const { open, models } = await import(new URL("./p-of-x.js", location.href).href);
    const { id } = (await models()).find((model) => model.title === title);
    const model = await open(id, { backend: "cpu" });
    for await (const step of model.sample({ n: 2, seed: 1 })) if (step.images.length === 0) return false;
    model.close();
    return true;
  }, title);
  assert.ok(works);
  const same = page.locator("pofx-storage tr", { hasText: title });
  await same.getByRole("button", { name: /Clear/ }).click();
  await page.locator("pofx-storage [role=status]", { hasText: "is cleared" }).waitFor();
  assert.equal(await same.locator("td").first().innerText(), "–");
  await page.getByRole("button", { name: /Clear all/ }).click();
  await page.locator("pofx-storage [role=status]", { hasText: "All models are cleared" }).waitFor();
  const left = await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("p-of-x");
    return (await Array.fromAsync(folder.keys())).length;
  });
  assert.equal(left, 0);
  assert.deepEqual(trouble.filter((line) => !/ERR_INTERNET_DISCONNECTED|ERR_FAILED/.test(line)), []);
  await close();
});

test("Chromium finds nothing against installing it as an app", async () => {
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
