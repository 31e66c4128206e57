// The page as a person meets it: without a click, by pointer, by keyboard, on a phone, in the dark, and when something is
// wrong.

import assert from "node:assert/strict";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { encodePng } from "../../web/src/export/png.js";
import { KEYWORD, formatRecipe, toRecipe } from "../../web/src/export/recipe.js";
import { AXE } from "./support/axe.mjs";
import { CAMERA, NEEDS_WEBGPU, cases, launch, openSite, savedBy } from "./support/browser.mjs";
import { answered, dist, enter, probed, sampled } from "./support/lab.mjs";

const ASK = "?backend=cpu#v=1&room=ask";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** The answer as it is written. @param {import("playwright-core").Page} page */
async function headline(page) {
  return (await page.locator("pofx-answer .headline").innerText()).replace(/\s+/g, " ");
}

/** Waits until the answer is not `before`. */
async function nextAnswer(page, before) {
  await page.waitForFunction(
    (before) => {
      const answer = document.querySelector("p-of-x").shadowRoot.querySelector("pofx-asker").shadowRoot.querySelector("pofx-answer");
      const text = answer.shadowRoot.querySelector(".value").textContent;
      return !answer.stale && /\d/.test(text) && !before.startsWith(text.trim());
    },
    before,
    { timeout: 20_000 },
  );
  return headline(page);
}

for (const [backend, chip] of [["cpu", "CPU (WASM SIMD)"], ["webgpu", "WebGPU (verified)"]]) {
  test(`without another click: 16 samples, in the other room an answer, and the chip says ${chip}`, backend === "webgpu" ? NEEDS_WEBGPU : {}, async () => {
    const { page, trouble, close } = await openSite(browser, { query: `?backend=${backend}` });
    await sampled(page);
    assert.equal(await page.locator("pofx-answer").count(), 0, "what asks is not loaded before it is shown");
    await enter(page, "Ask");
    await answered(page);
    await page.locator("pofx-breakdown td.number").first().waitFor();
    assert.match(await page.locator("pofx-engine-chip .chip").innerText(), new RegExp(chip.replace(/[()]/g, "\\$&")));
    const answer = await headline(page);
    assert.match(answer, /^log p\(x\) ≥ −\d+\.\d nats \(lower bound, IWAE k=64, ± \d+\.\d\)$/);
    assert.equal(await page.locator("pofx-breakdown").getByText(/the mean of 32 runs of 64 samples, with the error of that mean/).count(), 1);
    // A bound that says that it is loose has a way to a better answer.
    const loose = await page.locator("pofx-breakdown").getByText("(effective sample size").count();
    assert.equal(await page.getByRole("button", { name: "Tighter: by importance sampling" }).count(), loose);
    assert.match(await page.locator("pofx-answer .rank").innerText(), /More likely than .+% of held-out test pictures/);
    assert.match(await page.locator("pofx-surprise p").innerText(), /hold half of the surprise/);
    const parts = await page.locator("pofx-breakdown td.number").allInnerTexts();
    const [recon, kl, elbo] = parts.map((text) => Number(text.replace("−", "-")));
    assert.ok(Math.abs(recon + kl - elbo) < 0.11, parts.join(" "));
    await close();
    assert.deepEqual(trouble, []);
  });
}

test("a first visit to any room loads little JavaScript", async () => {
  const rooms = /** @type {const} */ ([["?backend=cpu#v=1&room=generate", "main.js", sampled], ["?backend=cpu#v=1&room=ask", "main.js", answered], ["lab.html?backend=cpu", "lab-page.js", probed]]);
  for (const [room, entry, ready] of rooms) {
    const { page, close } = await openSite(browser, { query: "icon.svg" });
    /** @type {Map<string, import("playwright-core").Request>} */
    const asked = new Map();
    page.context().on("request", (request) => {
      // What the service worker keeps for later visits comes when the page is alive.
      if (!request.serviceWorker()) asked.set(request.url().split(/[?#]/)[0], request);
    });
    await page.addInitScript(() => {
      for (const name of ["sample", "estimate"]) addEventListener(name, () => (globalThis.aliveAt ??= Date.now()));
    });
    await page.goto(page.url().replace("icon.svg", room));
    await ready(page);
    // Nor what is loaded below the first samples or the first answer.
    const alive = await page.evaluate(() => globalThis.aliveAt ?? Infinity);
    const scripts = [...asked].filter(([, request]) => request.timing().startTime < alive).map(([url]) => url);
    // The engine's own module belongs to the wasm.
    const files = scripts.filter((url) => url.endsWith(".js") && !/playground-\w+\.js$/.test(url)).map((url) => basename(url));
    const bytes = files.reduce((sum, file) => sum + brotliCompressSync(dist(file)).length, 0);
    await close();
    assert.ok(files.includes(entry) && files.includes("worker.js"), files.join(" "));
    assert.ok(bytes <= 45_000, `${room}: ${bytes} bytes after brotli`);
  }
});

test("drawing with the pointer is answered while and after the stroke", async () => {
  const { page, trouble, close } = await openSite(browser, { query: ASK });
  await answered(page);
  const first = await headline(page);
  await page.locator("p-of-x").getByRole("button", { name: "Clear" }).click();
  assert.match(await headline(page), /^log p\(x\) ≥ – nats/);
  const box = await page.locator("pofx-pad .ink").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 - 6, box.y + box.height - 50, { steps: 12 });
  await page.mouse.up();
  const second = await nextAnswer(page, first);
  assert.match(await page.locator("pofx-breakdown .notes").innerText(), /centred by mass/);
  const value = (text) => Number(/−(\d+\.\d)/.exec(text)[1]);
  assert.ok(value(second) < 120, `a stroke is a fair one: ${second}`);
  await close();
  assert.deepEqual(trouble, []);
});

test("everything works from the keyboard alone", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu" });
  await sampled(page);
  const focused = () =>
    page.evaluate(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      return `${element.tagName} ${element.getAttribute("aria-label") ?? element.textContent.trim()}`;
    });
  const tabTo = async (pattern, key = "Tab") => {
    for (let i = 0; i < 80; i += 1) {
      await page.keyboard.press(key);
      if (pattern.test(await focused())) return;
    }
    assert.fail(`Tab never reaches ${pattern}`);
  };
  await tabTo(/Sample 1 of 16/);
  await page.keyboard.press("ArrowDown");
  assert.match(await focused(), /Sample 5 of 16/);
  await page.keyboard.press("Enter");
  await page.locator("pofx-large .value", { hasText: /−\d/ }).waitFor();
  assert.match(await focused(), /Sample 5 of seed 7/);
  await page.keyboard.press("Escape");
  assert.match(await focused(), /Sample 5 of 16/);
  await tabTo(/^INPUT/);
  await page.keyboard.press("Control+a");
  await page.keyboard.type("41");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash.includes("seed=41"));
  // Above: beyond the end of a page Firefox goes to its own buttons.
  await tabTo(/^A Ask/, "Shift+Tab");
  await page.keyboard.press("Enter");
  await answered(page);
  let last = await headline(page);
  await tabTo(/Drawing pad/);
  await page.keyboard.press("Delete");
  await page.keyboard.press("Space");
  for (let i = 0; i < 12; i += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  last = await nextAnswer(page, last);
  await tabTo(/Test digit 0/);
  await page.keyboard.press("End");
  assert.match(await focused(), /Nothing at all/);
  await page.keyboard.press("Space");
  await nextAnswer(page, last);
  await close();
  assert.deepEqual(trouble, []);
});

test("the address holds room, seed and picture, and brings all back", async () => {
  const { page, url, close } = await openSite(browser, { query: ASK });
  await answered(page);
  const before = await headline(page);
  await page.locator("p-of-x").getByRole("option", { name: "Test digit 7" }).click();
  const answer = await nextAnswer(page, before);
  const { hash } = new URL(page.url());
  assert.match(hash, /^#v=1&room=ask&model=binary-mnist-vae&seed=7&x=[\w-]{131}$/);
  const other = await page.context().newPage();
  await other.goto(`${url}?backend=cpu${hash.replace("seed=7", "seed=9")}`);
  await answered(other);
  // Another seed gives other importance samples, so the answer agrees to its error bar.
  const value = (text) => Number(/−(\d+\.\d)/.exec(text)[1]);
  assert.ok(Math.abs(value(await headline(other)) - value(answer)) < 4);
  await enter(other, "Generate");
  await sampled(other);
  assert.equal(await other.locator("p-of-x #seed").inputValue(), "9");
  await other.goBack();
  await answered(other);
  await other.goto("about:blank");
  await other.goto(`${url}?backend=cpu#v=1&seed=%3Cimg%20onerror%3Dalert(1)%3E&x=!!!`);
  const alert = other.locator("p-of-x .alert p");
  await alert.waitFor();
  assert.match(await alert.innerText(), /^A seed is a whole number/);
  await close();
});

test("the address holds how many are drawn, labels, the estimator and a picture with its levels, too", async () => {
  const from = "?backend=cpu#v=1&room=ask&model=mnist-transformer&seed=7&n=4&y.class=3";
  const { page, url, close } = await openSite(browser, { query: from });
  await answered(page);
  const answer = await headline(page);
  const { hash } = new URL(page.url());
  assert.match(hash, /^#v=1&room=ask&model=mnist-transformer&seed=7&n=4&y\.class=3&p=28\.28\.1\.[\w-]{1046}$/);
  const other = await page.context().newPage();
  await other.goto(`${url}?backend=cpu${hash}`);
  await answered(other);
  // The same levels under the same label: what is exact is the same to the last figure.
  assert.equal(await headline(other), answer);
  assert.equal(await other.locator("pofx-breakdown").getByText("The picture from the link").count() + (await other.locator("pofx-asker").getByText("The picture from the link").count()), 1);
  await other.goto("about:blank");
  await other.goto(`${url}?backend=cpu${hash.replace("mnist-transformer", "mnist-vae").replace("y.class=3", "y.class=thirteen&y.else=1&by=laplace")}`);
  await answered(other);
  assert.match(await headline(other), /importance sampling/i);
  assert.match(new URL(other.url()).hash, /&n=4&by=laplace&p=/);
  await enter(other, "Generate");
  await other.locator("pofx-sampler [role=option]:not([aria-disabled=true])").nth(3).waitFor();
  assert.equal(await other.locator("pofx-sampler [role=option]").count(), 4);
  await close();
});

test("a seed that is no number, a file that is no picture, weights that do not fit: a sentence, and on it goes", async () => {
  const { page, close } = await openSite(browser, { query: "?backend=cpu" });
  await sampled(page);
  const alert = page.locator("p-of-x .alert p");
  const seed = page.locator("p-of-x #seed");
  await seed.fill("seven");
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  assert.equal(await alert.innerText(), "A seed is a whole number from 0 to 9007199254740991, and “seven” is not.");
  assert.equal(await seed.getAttribute("aria-invalid"), "true");
  await seed.fill("12");
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  await page.waitForFunction(() => location.hash.includes("seed=12"));
  assert.equal(await alert.count(), 0);

  await enter(page, "Ask");
  await answered(page);
  const text = { name: "letter.png", mimeType: "image/png", buffer: Buffer.from("Dear model") };
  await page.locator("p-of-x #file").setInputFiles(text);
  await alert.waitFor();
  assert.match(await alert.innerText(), /“letter.png” is not a picture/);

  const weights = { name: "mine.safetensors", mimeType: "", buffer: Buffer.from("these are no weights") };
  await drop(page, weights);
  await page.waitForFunction(() => /safetensors/.test(document.querySelector("p-of-x").shadowRoot.querySelector(".alert p")?.textContent));

  const before = await headline(page);
  await page.locator("p-of-x").getByRole("option", { name: "Test digit 3" }).click();
  await nextAnswer(page, before);
  assert.equal(await alert.count(), 0);
  await close();
});

test("a picture from the camera is asked about; without a camera a sentence says why; it is off afterwards", async () => {
  for (const flags of [CAMERA, []]) {
    const other = await launch(flags);
    const { page, trouble, close } = await openSite(other, { query: ASK, context: { viewport: { width: 360, height: 780 } } });
    await answered(page);
    const before = await headline(page);
    const button = page.locator("pofx-asker").getByRole("button", { name: "Camera…" });
    await button.click();
    const dialog = page.getByRole("dialog", { name: "Picture from the camera" });
    await dialog.waitFor();
    if (flags.length > 0) {
      await page.evaluate(() => {
        const asker = document.querySelector("p-of-x").shadowRoot.querySelector("pofx-asker");
        globalThis.video = asker.shadowRoot.querySelector("pofx-camera").shadowRoot.querySelector("video");
      });
      const take = dialog.getByRole("button", { name: "Take the picture" });
      await page.waitForFunction(() => globalThis.video.srcObject !== null);
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/camera-360.png` });
      await take.click();
      await nextAnswer(page, before);
      assert.match(await page.locator("pofx-asker .caption").innerText(), /camera\.png/);
      assert.ok(await page.evaluate(() => globalThis.video.srcObject.getTracks().every(({ readyState }) => readyState === "ended")));
    } else {
      await dialog.getByText(/^The camera gives no picture: .+\.$/).waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      assert.equal(await headline(page), before);
    }
    await close();
    await other.close();
    assert.deepEqual(trouble, []);
  }
});

test("a picture that was saved here is drawn again, whichever room it is dropped in", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu#v=1&model=mnist-vae&seed=3&c.temperature=0.8" });
  await sampled(page);
  const first = () => page.locator("pofx-sampler [role=option] canvas").first().evaluate((canvas) => canvas.toDataURL());
  const original = await first();
  await page.locator("pofx-sampler [role=option]").first().click();
  const { bytes } = await savedBy(page, () => page.locator("pofx-large").getByRole("button", { name: "Picture", exact: true }).click());
  await page.locator("p-of-x #seed").fill("4");
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  await page.waitForFunction(() => location.hash.includes("seed=4"));
  await enter(page, "Ask");
  await answered(page);
  await drop(page, { name: "saved.png", type: "image/png", buffer: bytes });
  await page.waitForFunction(() => /room=generate.*seed=3&c\.temperature=0\.8/.test(location.hash));
  await page.locator("pofx-sampler pofx-picture-list[aria-busy=false]").waitFor();
  assert.equal(await first(), original);
  assert.equal(await page.locator("p-of-x .alert.note").count(), 0);
  // What can't come out the same is said.
  const recipe = toRecipe({ model: "mnist-vae", sha256: "0a".repeat(32), seed: 5, n: 4, values: {} });
  const older = await encodePng([{ rgba: new Uint8Array(4), width: 1, height: 1 }], { texts: { [KEYWORD]: formatRecipe(recipe) } });
  await drop(page, { name: "older.png", type: "image/png", buffer: older });
  await page.locator("p-of-x .alert.note").getByText("drawn with other weights than the model has here").waitFor();
  await page.locator("p-of-x .alert.note").getByRole("button", { name: "Dismiss" }).click();
  await page.locator("p-of-x .alert.note").waitFor({ state: "detached" });
  await close();
  assert.deepEqual(trouble, []);
});

test("a picture that was given to a control is in what is saved, and comes back with it", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "?backend=cpu#v=1&model=mnist-vae&seed=3" });
  await sampled(page);
  const first = () => page.locator("pofx-sampler [role=option] canvas").first().evaluate((canvas) => canvas.toDataURL());
  await page.locator("pofx-sampler [role=option]").nth(1).click();
  const details = page.locator("pofx-sampler pofx-controls details").filter({ has: page.locator("#image-help") });
  await details.locator("summary").click();
  await details.getByRole("button", { name: "Use the chosen picture" }).click();
  await page.locator("p-of-x").getByRole("button", { name: "Generate" }).click();
  await page.locator("pofx-sampler pofx-picture-list[aria-busy=false]").waitFor();
  await page.waitForFunction(() => document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler").step?.n === 1);
  const original = await first();
  await page.locator("pofx-sampler [role=option]").first().click();
  const { bytes } = await savedBy(page, () => page.locator("pofx-large").getByRole("button", { name: "Picture", exact: true }).click());
  await page.reload();
  await sampled(page);
  assert.notEqual(await first(), original);
  await drop(page, { name: "saved.png", type: "image/png", buffer: bytes });
  await page.waitForFunction(() => document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler").step?.n === 1);
  assert.equal(await first(), original);
  assert.equal(await details.locator(".state").innerText(), "set");
  await close();
  assert.deepEqual(trouble, []);
});

/** Drops a file onto the page. */
async function drop(page, { name, type = "", buffer }) {
  await page.evaluate(
    ([name, type, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(bytes)], name, { type }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    },
    [name, type, [...buffer]],
  );
}

test("pictures that are dropped or pasted are asked about", async () => {
  const { page, trouble, close } = await openSite(browser, { query: ASK });
  await answered(page);
  for (const kind of ["drop", "paste"]) {
    const before = await headline(page);
    await page.evaluate(async (kind) => {
      const canvas = new OffscreenCanvas(90, 120);
      const context = canvas.getContext("2d");
      context.fillStyle = "white";
      context.fillRect(0, 0, 90, 120);
      context.fillStyle = "black";
      context.fillRect(kind === "drop" ? 40 : 20, 10, 14, 100);
      if (kind === "paste") context.fillRect(20, 10, 50, 14);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], `${kind}.png`, { type: "image/png" }));
      const options = { bubbles: true, cancelable: true };
      const event = kind === "drop" ? new DragEvent("drop", { ...options, dataTransfer: data }) : new ClipboardEvent("paste", options);
      // Firefox makes a paste of files by no other way.
      if (kind === "paste") Object.defineProperty(event, "clipboardData", { value: data });
      document.body.dispatchEvent(event);
    }, kind);
    await nextAnswer(page, before);
    assert.match(await page.locator("pofx-breakdown .notes").innerText(), /black and white were swapped/);
  }
  await close();
  assert.deepEqual(trouble, []);
});

const ROOMS = /** @type {const} */ ([["generate", sampled], ["ask", answered]]);
/** Colours and widths; Firefox's answers to axe are those of the same page. */
const LOOKS = cases(/** @type {const} */ ([["light", 1280], ["light", 360], ["dark", 1280], ["dark", 360]]), ([scheme, width]) => scheme === "light" && width === 360);
for (const [room, ready] of ROOMS) {
  for (const [colorScheme, width] of LOOKS) {
    test(`axe finds nothing: ${room}, ${colorScheme}, ${width} pixels wide; nothing overflows, nothing jumps`, async () => {
      const { page, trouble, close } = await openSite(browser, {
        query: `?backend=cpu#v=1&room=${room}`,
        context: { colorScheme, viewport: { width, height: 900 }, reducedMotion: "reduce" },
        prepare: (page) => page.addInitScript(watchLayout),
      });
      await ready(page);
      const shift = await page.evaluate(() => globalThis.layoutShift);
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${room}-${colorScheme}-${width}.png`, fullPage: true });
      // What is loaded below an answer, too.
      if (room === "ask") for (const part of ["pofx-surprise summary", "pofx-compare button"]) await page.locator(part).first().waitFor();
      await page.locator("summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = true)));
      if (room === "ask") await page.locator("pofx-surprise table").waitFor();
      const violations = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations)`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      await close();
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
      assert.ok(overflow <= 0, `${overflow} pixels too wide`);
      assert.ok(shift < 0.1, `layout shift ${shift}`);
      assert.deepEqual(trouble, []);
    });
  }
}

/** Runs in the page: adds up the layout shifts until the first answer. */
function watchLayout() {
  globalThis.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.layoutShift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
}

test("a run is announced in a few sentences, not in hundreds", async () => {
  const { page, close } = await openSite(browser, {
    query: ASK,
    prepare: (page) =>
      page.addInitScript(() => {
        globalThis.said = [];
        addEventListener("load", () => {
          const status = document.querySelector("p-of-x").shadowRoot.querySelector("[role=status]");
          new MutationObserver(() => globalThis.said.push(status.textContent)).observe(status, { characterData: true, childList: true, subtree: true });
        });
      }),
  });
  await answered(page);
  const said = await page.evaluate(() => globalThis.said);
  await close();
  assert.ok(said.length >= 1 && said.length <= 6, said.join("\n"));
  assert.match(said.at(-1), /log p\(x\) ≥/);
});

test("the theme can be changed and is remembered", async () => {
  const { page, close } = await openSite(browser, { query: "?backend=cpu", context: { colorScheme: "light" } });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole("button", { name: "Dark theme" }).click();
  const dark = await background();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await background(), dark);
  await close();
});

test("a download tells bytes and percent and can be stopped; what was there stays, or the download is begun again", async () => {
  let slow = true;
  let held = "playground_bg.wasm";
  // A tenth arrives at once, the rest never.
  const stall = (path, response) => {
    if (!slow || !path.endsWith(held)) return false;
    const bytes = dist(path);
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, bytes.length / 10));
    return true;
  };
  const { page, close } = await openSite(browser, { query: "?backend=cpu", intercept: stall });
  const telling = page.locator("p-of-x .top .progress");
  const stop = telling.getByRole("button", { name: "Stop" });
  // The engine comes first; samples that were drawn earlier are there at once.
  const drawn = await page.locator("p-of-x .meanwhile img").evaluate(async (img) => (await img.decode(), img.naturalWidth));
  assert.ok(drawn > 500);
  await telling.getByText(/Downloading the engine, .+ of \d\.\d MB, (less than )?\d+\s%/).waitFor();
  await stop.click();
  await page.locator("p-of-x .alert").getByText("The download was stopped.").waitFor();
  assert.equal(await page.locator("p-of-x .meanwhile").count(), 0);
  held = ".safetensors";
  await page.locator("p-of-x .alert").getByRole("button", { name: "Try again" }).click();
  await telling.getByText(/Downloading, .+ of 1\.8 MB, (less than )?\d+\s%/).waitFor();
  await stop.click();
  const alert = page.locator("p-of-x .alert");
  await alert.getByText("The download was stopped.").waitFor();
  slow = false;
  await alert.getByRole("button", { name: "Try again" }).click();
  await sampled(page);
  assert.equal(await alert.count(), 0);

  slow = true;
  await page.locator("pofx-chooser summary").click();
  await page.locator("pofx-chooser li button").filter({ hasText: "VAE on MNIST" }).first().click();
  await stop.click();
  await page.locator("pofx-chooser summary", { hasText: "VAE on binarised MNIST" }).waitFor();
  assert.match(page.url(), /model=binary-mnist-vae/);
  assert.equal(await alert.count(), 0);
  await page.locator("p-of-x").getByRole("button", { name: "Random seed" }).click();
  await page.waitForFunction(() => !/seed=7(&|$)/.test(location.hash));
  await close();
});
