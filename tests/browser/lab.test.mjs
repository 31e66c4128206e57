// The page of the lab: data, models that learn side by side, one probe, the address, and bad input.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AXE } from "./support/axe.mjs";
import { IN_FIREFOX, launch, openSite, savedBy } from "./support/browser.mjs";
import { probed as answered } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/** Two models, one step each. */
const TWO = "#lab.set=two-moons&lab.n=500&lab.seed=1&lab.probe=0.5 0.25&lab.models=" + encodeURIComponent(JSON.stringify([["mixture", 1, 0, {}], ["vae", 1, 0, { width: 16, batch: 64 }]]));

/** @param {object} [options] */
async function openLab({ query = "?backend=cpu", hash = TWO, ...context } = {}) {
  const site = await openSite(browser, { query: `lab.html${query}${hash}`, context: { reducedMotion: "reduce", ...context } });
  await answered(site.page);
  return site;
}

/** The rows of the table of the probe. @param {import("playwright-core").Page} page */
function rows(page) {
  return page.locator("pofx-lab table").first().locator("tbody tr").allInnerTexts();
}

/** @param {import("playwright-core").Page} page */
async function steps(page) {
  return (await page.locator("pofx-lab-card .steps").allInnerTexts()).map((text) => Number(text.replace(/\D/g, "")));
}

/** Waits until the rows are others. @param {import("playwright-core").Page} page @param {string[]} before */
async function changed(page, before) {
  for (let i = 0; i < 200; i += 1) {
    const now = await rows(page);
    if (JSON.stringify(now) !== JSON.stringify(before)) return now;
    await page.waitForTimeout(100);
  }
  assert.fail("the table did not change");
}

test("without a click the models learn two moons, and a pause keeps what they know", async () => {
  const { page, trouble, close } = await openSite(browser, { query: "lab.html?backend=cpu" });
  await answered(page);
  assert.equal(await page.locator("pofx-lab-card").count(), 6);
  await page.waitForTimeout(5000);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Play" }).waitFor();
  assert.ok((await steps(page)).every((made) => made > 5), `${await steps(page)}`);
  const chart = page.locator("pofx-chart");
  const { height } = await chart.boundingBox();
  assert.equal(await chart.locator("canvas").count(), 0, "what draws the chart is not loaded before it comes near the view");
  await chart.scrollIntoViewIfNeeded();
  await chart.locator("canvas").waitFor();
  assert.equal((await chart.boundingBox()).height, height, "nothing jumps when it is there");
  await chart.getByText("Show as a table").click();
  await chart.locator("tbody tr").first().waitFor();
  assert.deepEqual([...new Set(await chart.locator("tbody th").allInnerTexts())], await page.locator("pofx-lab-card h3").allInnerTexts());
  // A chart of its own: the lab's takes the lines of whatever answer comes late.
  await chart.evaluate((chart) => {
    const long = Object.assign(document.createElement("pofx-chart"), { lines: [{ title: "Long", unit: "nats", points: Array.from({ length: 400 }, (_, i) => [i + 1, i]) }] });
    chart.getRootNode().host.after(long);
  });
  const long = page.locator("pofx-lab + pofx-chart");
  await long.getByText("Show as a table").click();
  await long.getByText("20 are listed, evenly spread").waitFor();
  const listed = await long.locator("tbody td:nth-child(2)").allInnerTexts();
  assert.deepEqual([listed.length, listed[0], listed.at(-1)], [20, "1", "400"]);
  await close();
  assert.deepEqual(trouble, []);
});

for (const backend of ["cpu", "webgpu"]) {
  test(`one step, a probe by keyboard, and a link that brings the same numbers back (${backend})`, async () => {
    const { page, trouble, url, close } = await openLab({ query: `?backend=${backend}` });
    const first = await rows(page);
    await page.getByRole("button", { name: "One step", exact: true }).click();
    await changed(page, first);
    await page.waitForFunction(() => location.hash.includes("%22vae%22%2C1%2C1"));
    const plane = page.locator("pofx-lab-card .plane").first();
    await plane.focus();
    const stepped = await rows(page);
    for (let i = 0; i < 4; i += 1) await page.keyboard.press(i % 2 ? "ArrowUp" : "Shift+ArrowLeft");
    await changed(page, stepped);
    await page.waitForFunction((old) => !location.hash.includes(old), "lab.probe=0.5+0.25");
    await page.waitForTimeout(1500);
    const [before, hash] = [await rows(page), await page.evaluate(() => location.hash)];
    await page.goto("about:blank");
    await page.goto(`${url}lab.html?backend=${backend}${hash}`);
    await answered(page);
    await page.waitForTimeout(1000);
    assert.deepEqual(await rows(page), before);
    assert.deepEqual(await steps(page), [1, 1]);
    await close();
    assert.deepEqual(trouble, []);
  });
}

test("a GAN's networks move alone, and the link has their moves", async () => {
  const models = encodeURIComponent(JSON.stringify([["gan", 1, 0, { width: 16, batch: 64, ratio: 1 }]]));
  const { page, trouble, url, close } = await openLab({ hash: `#lab.set=two-moons&lab.n=300&lab.seed=1&lab.models=${models}` });
  const step = page.getByRole("button", { name: "One step of the GAN" });
  const after = async (/** @type {number} */ n) => {
    await step.click();
    await page.waitForFunction((n) => document.querySelector("pofx-lab").shadowRoot.querySelector("pofx-lab-card").entry.steps === n, n);
  };
  await after(1);
  await page.getByLabel("Moves:").selectOption("the generator alone");
  await after(2);
  await after(3);
  await page.getByLabel("Moves:").selectOption("the discriminator alone");
  await after(4);
  await page.waitForFunction(() => decodeURIComponent(location.hash).includes('["gan",1,"b1+g2+d1"'));
  await page.getByText("Look inside").click();
  await page.getByText("as the generator folds it over the data").waitFor();
  await page.waitForTimeout(1000);
  const [before, hash] = [await rows(page), await page.evaluate(() => location.hash)];
  await page.goto("about:blank");
  await page.goto(`${url}lab.html?backend=cpu${hash}`);
  await answered(page);
  await page.waitForTimeout(1000);
  assert.deepEqual(await rows(page), before);
  assert.deepEqual(await steps(page), [4]);
  await close();
  assert.deepEqual(trouble, []);
});

test("a class, a temperature and a given coordinate steer the samples, and are in the address", async () => {
  const models = encodeURIComponent(JSON.stringify([["kernel", 1, 2, {}], ["vae", 1, 0, { width: 8 }]]));
  const { page, trouble, url, close } = await openLab({ hash: `#lab.set=two-moons&lab.n=400&lab.seed=1&lab.probe=0.5 0.25&lab.models=${models}` });
  const samples = () => page.evaluate(() => [...document.querySelector("pofx-lab").shadowRoot.querySelectorAll("pofx-lab-card")].map(({ entry }) => [...entry.samples]));
  const mean = (/** @type {number[]} */ xs, /** @type {number} */ axis) => xs.filter((_, i) => i % 2 === axis).reduce((a, b) => a + b) / (xs.length / 2);
  const steered = async (/** @type {() => Promise<unknown>} */ act) => {
    const before = JSON.stringify(await samples());
    await act();
    for (let i = 0; i < 100 && JSON.stringify(await samples()) === before; i += 1) await page.waitForTimeout(50);
    await page.waitForTimeout(500);
    return samples();
  };
  const steer = page.locator("pofx-steer");
  const [upper] = await steered(() => steer.getByLabel("Class").selectOption({ index: 1 }));
  const [lower] = await steered(() => steer.getByLabel("Class").selectOption({ index: 2 }));
  assert.ok(mean(upper, 1) > mean(lower, 1) + 0.3, `${mean(upper, 1)} ${mean(lower, 1)}`);
  await steered(() => steer.getByLabel("Temperature").fill("0"));
  const [given] = await steered(() => steer.getByLabel("Given").selectOption("the probe’s x1"));
  assert.ok(given.every((v, i) => i % 2 === 1 || Math.abs(v - 0.5) < 1e-6));
  await page.waitForFunction(() => /lab.class=1&lab.temperature=0&lab.given=x1/.test(location.hash));
  const hash = await page.evaluate(() => location.hash);
  await page.goto("about:blank");
  await page.goto(`${url}lab.html?backend=cpu${hash}`);
  await answered(page);
  await page.waitForTimeout(1000);
  assert.deepEqual((await samples())[0], given);
  await close();
  assert.deepEqual(trouble, []);
});

test("points that are drawn are learned, a model is added, told another setting, and removed", async () => {
  const { page, trouble, close } = await openLab();
  await page.getByRole("button", { name: "Draw points" }).click();
  const box = await page.locator("pofx-lab-drawing .plane").boundingBox();
  for (let i = 0; i < 3; i += 1) await page.mouse.click(box.x + 60 + 40 * i, box.y + 80 + 13 * i);
  await page.getByRole("button", { name: "Learn these 3 points" }).click();
  await page.getByRole("alert").getByText(/3 points? .*few|at least 4/).waitFor();
  await page.getByRole("button", { name: "Draw points" }).click();
  await page.mouse.move(box.x + 50, box.y + 60);
  await page.mouse.down();
  for (let i = 0; i < 40; i += 1) await page.mouse.move(box.x + 60 + 5 * i, box.y + 100 + 60 * Math.sin(i / 3));
  await page.mouse.up();
  await page.locator("pofx-lab-drawing .plane").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /Learn these 4\d points/ }).click();
  await answered(page);
  await page.locator("pofx-lab").getByLabel("Add").selectOption("kernel");
  await page.getByRole("heading", { name: "Kernel density" }).waitFor();
  await answered(page);
  const kernel = page.locator("pofx-lab-card").last();
  await kernel.getByText("Optimiser:").click();
  await kernel.getByLabel("Bandwidth").selectOption("Scott's rule");
  await kernel.getByText("N^(−1/6)").waitFor();
  await kernel.getByText("Look inside").click();
  await kernel.getByText(/Bandwidth h: [\d.]+ and [\d.]+/).waitFor();
  await page.getByRole("button", { name: "Remove the Kernel density" }).click();
  assert.equal(await page.locator("pofx-lab-card").count(), 2);
  await close();
  assert.deepEqual(trouble, []);
});

/** Runs in the page: pastes a file that counts what is read of it; without a `head` it can't be read. @param {{ name: string, size: number, head?: string }} file */
function pasteFile({ name, size, head }) {
  globalThis.bytesRead = 0;
  const part = (/** @type {number} */ bytes) => ({
    arrayBuffer: async () => {
      if (head === undefined) throw new DOMException("not found", "NotFoundError");
      globalThis.bytesRead += bytes;
      return Uint8Array.from(head, (letter) => letter.charCodeAt(0)).buffer;
    },
  });
  const whole = { text: async () => void (globalThis.bytesRead += size), slice: (from, to) => part(to - from), ...part(size) };
  const file = Object.defineProperties(new File([], name), Object.fromEntries(Object.entries({ size, ...whole }).map(([key, value]) => [key, { value }])));
  const event = new ClipboardEvent("paste", { bubbles: true, cancelable: true });
  document.dispatchEvent(Object.defineProperty(event, "clipboardData", { value: { files: [file], getData: () => "" } }));
}

test("a table is taken, and a bad one gets its sentence and changes nothing", async () => {
  const { page, close } = await openLab();
  const file = page.locator("pofx-lab input[type=file]");
  const before = await rows(page);
  const give = (/** @type {string} */ text) => file.setInputFiles({ name: "points.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  await give("a,b\n1,2\n3,NaN\n5,6\n7,8\n9,1\n");
  await page.getByRole("alert").getByText(/NaN/).waitFor();
  assert.deepEqual(await rows(page), before);
  await give("");
  await page.getByRole("alert").getByText(/empty/i).waitFor();
  await file.setInputFiles({ name: "digit.csv", mimeType: "text/csv", buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]) });
  await page.getByRole("alert").getByText(/“digit.csv” is no table: it is not a text file. Open a table that was saved as .csv/).waitFor();
  for (const [name, size, head, most, said] of /** @type {const} */ ([
    ["huge.csv", 3e9, "a,b", 0, /“huge.csv” is not opened: it has 3.0 GB, and a table may have 32.0 MB at most/],
    ["weights.safetensors", 2e7, "\x10\x02\0\0\0\0\0\0{", 65_536, /“weights.safetensors” is no table/],
    ["site.zip", 2e7, "PK\x03\x04", 65_536, /“site.zip” is no table/],
    ["gone.csv", 10, undefined, 65_536, /“gone.csv” could not be read: it may have been moved/],
  ])) {
    await page.evaluate(pasteFile, { name, size, head });
    await page.getByRole("alert").getByText(said).waitFor();
    const read = await page.evaluate(() => globalThis.bytesRead);
    assert.ok(read <= most, `${name}: ${read} bytes were read`);
    assert.deepEqual(await rows(page), before);
  }
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData("text/plain", "left,right\n1,2\n3,4\n5,7\n6,1\n0,3\n2,8\n");
    // Firefox makes an event with a table in it by no other way.
    const event = new ClipboardEvent("paste", { bubbles: true, cancelable: true });
    document.dispatchEvent(Object.defineProperty(event, "clipboardData", { value: data }));
  });
  await page.locator("pofx-steer").getByText("the probe’s left").waitFor({ state: "attached" });
  await page.getByText("Type or paste a table").click();
  await page.locator("textarea").fill("up,down\n1,2\n3,4\n5,7\n6,1\n0,3\n2,9\n");
  await page.getByRole("button", { name: "Learn these points" }).click();
  await page.locator("pofx-steer").getByText("the probe’s up").waitFor({ state: "attached" });
  const row = (_, i) => `${1e9 + Math.sin(i)},${1e-9 * Math.cos(3 * i)}`;
  await give(`wide,narrow\n${Array.from({ length: 80 }, row).join("\n")}\n`);
  await page.getByText("“wide”").or(page.getByText("'wide'")).or(page.getByText(/wide.*narrow/)).first().waitFor();
  await answered(page);
  assert.doesNotMatch((await rows(page)).join(" "), /NaN/);
  // A table is not in the address, and both who sends the link and who opens it are told so.
  await page.getByText(/These points are not in the address of this page: a table/).waitFor();
  await page.waitForFunction(() => location.hash.includes("lab.models") && !location.hash.includes("lab.set"));
  await page.reload();
  const note = page.locator("pofx-lab p[role=status]");
  assert.match(await note.innerText(), /^The data are not in the link: .* In their place are 1000 points of “Two moons”\.$/);
  await answered(page);
  assert.equal(await page.getByText(/These points are not in the address/).count(), 0);
  await page.locator("pofx-lab .sets").selectOption("rings");
  await note.waitFor({ state: "detached" });
  await close();
});

test("the whole lab by keyboard alone: Tab reaches everything, and keys draw, learn, choose, probe, add, remove and save", async () => {
  const { page, trouble, close } = await openLab({ acceptDownloads: true });
  // Playwright's own focus would hide what Tab can't reach.
  const name = () =>
    page.evaluate(() => {
      let at = document.activeElement;
      while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
      if (!at || at === document.body || !document.hasFocus()) return "";
      const label = at.getAttribute("aria-label") ?? ("labels" in at && at.labels?.[0] ? at.labels[0].firstChild?.textContent : "");
      at.toggleAttribute("data-reached", true);
      return `${at.localName} ${(label || at.textContent || "").trim().replace(/\s+/g, " ")}`;
    });
  // Beyond the end of a page a Firefox without a window comes back to its end, and not to its begin.
  const tab = async () => {
    await page.keyboard.press("Tab");
    const at = await name();
    if (IN_FIREFOX && !at) {
      await page.keyboard.press("Tab");
      await page.getByText("Skip to the lab").focus();
    }
    return at;
  };
  const tabTo = async (/** @type {RegExp} */ wanted) => {
    for (let i = 0; i < 150; i += 1) {
      const at = await tab();
      if (wanted.test(at)) return at;
    }
    return assert.fail(`Tab does not come to ${wanted}`);
  };
  const press = async (/** @type {string[]} */ ...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  // Twice around the page, with everything open that opens.
  await page.locator("pofx-lab summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = true)));
  await answered(page);
  for (let i = 0; i < 200; i += 1) await tab();
  const missed = await page.evaluate(() => {
    const found = [];
    const look = (root) => {
      for (const element of root.querySelectorAll("*")) {
        if (element.shadowRoot) look(element.shadowRoot);
        const takes = element.matches("button, input, select, textarea, summary, a[href], [tabindex='0']") && !element.matches(":disabled, [tabindex='-1'], [type=radio]");
        if (takes && element.checkVisibility() && !element.hasAttribute("data-reached")) found.push(`${element.localName} ${element.textContent.trim().slice(0, 40)}`);
      }
    };
    look(document);
    return found;
  });
  assert.deepEqual(missed, []);
  await page.locator("pofx-lab summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = false)));

  await tabTo(/^button Draw points/);
  await press("Enter");
  await tabTo(/Points are drawn here/);
  for (const way of ["Right", "Up", "Left", "Left", "Down", "Down", "Right", "Right", "Right", "Up", "Up", "Up", "Left", "Left"]) await press(`Shift+Arrow${way}`, "Enter");
  await page.keyboard.down("Shift");
  do await press("Tab");
  while (!/^button Learn these 14 points/.test(await name()));
  await page.keyboard.up("Shift");
  await press("Enter");
  await page.getByText("Your points").first().waitFor();
  await answered(page);
  await tabTo(/^select Add/);
  await press("k", "Enter");
  await page.getByRole("heading", { name: "Kernel density" }).waitFor();
  await answered(page);
  const before = await rows(page);
  await tabTo(/^\w+ .*probe/i);
  await press("ArrowRight", "ArrowRight", "ArrowUp");
  await changed(page, before);
  await tabTo(/^button Remove the Kernel density/);
  await press("Enter");
  await page.getByRole("heading", { name: "Kernel density" }).waitFor({ state: "detached" });
  // The one that is the last now; the focus isn't lost.
  assert.match(await name(), /^button Remove the /);
  await tabTo(/^button Samples \(CSV\)/);
  assert.match((await savedBy(page, () => press("Enter"))).name, /samples\.csv$/);
  const made = await steps(page);
  await tabTo(/^button One step$/);
  await press("Enter");
  await page.waitForFunction((made) => [...document.querySelector("pofx-lab").shadowRoot.querySelectorAll("pofx-lab-card")].every((card, i) => Number(card.shadowRoot.querySelector(".steps")?.textContent.replace(/\D/g, "")) > made[i]), made, { timeout: 20_000 });
  await close();
  assert.deepEqual(trouble, []);
});

test("every picture inside is there, and files are saved", async () => {
  const all = ["gaussian", "mixture", "vae", "gan", "diffusion", "transformer", "truth"].map((family) => [family, 1, family === "truth" ? 0 : 3, {}]);
  const { page, trouble, close } = await openLab({ hash: `#lab.set=eight-gaussians&lab.n=400&lab.seed=1&lab.models=${encodeURIComponent(JSON.stringify(all))}` });
  for (const card of await page.locator("pofx-lab-card").all()) await card.getByText("Look inside").click();
  await page.getByText(/the gap of −?[\d.]+ nats is KL/).waitFor({ timeout: 30_000 });
  await page.getByText("p(x2 | x1 of the probe)").waitFor();
  await page.getByText("optimiser’s way on it").waitFor();
  await page.locator("pofx-inside").first().getByLabel("Coordinate").selectOption("x2");
  await page.getByText("deviation (up) of x2").waitFor();
  await page.getByText("the darker a cell, the denser its samples").waitFor();
  await page.getByLabel("Time, from data to noise").fill("0.8");
  // Each picture's numbers as tables, and log p over the plane with all.
  for (const summary of await page.locator("pofx-inside summary").all()) await summary.click();
  const inside = page.locator("pofx-inside");
  for (const [i, captions] of [
    [/^Mean log p, nats: mean of x2 across/, /^The optimiser’s way/],
    [/^Components$/],
    [/^q\(z \| x\)$/, /^The bound/, /^log p\(z \| x\), nats: z1 across, z2 down; 9 x 9 of/],
    [/^Cells of the folded plane: 20 of/, /^How much more real/, /^Where the discriminator pushes/],
    [/^The probe’s path to noise: 20 of/, /^log p at this time/, /^Score at this time along x1/, /^Score at this time along x2/],
    [/^p\(x1\)$/, /^p\(x2 \| x1 of the probe\)$/],
    [],
  ].entries()) {
    const shown = inside.nth(i).locator("caption");
    await shown.last().getByText(/^log p, nats: x1 across, x2 down; 9 x 9 of 128 x 128 places$/).waitFor();
    const said = await shown.allInnerTexts();
    assert.equal(said.length, captions.length + 1, said.join("\n"));
    captions.forEach((caption, j) => assert.match(said[j], caption));
    const cells = (await inside.nth(i).locator("td.number, tbody th").allInnerTexts()).filter((cell) => !/^−?(∞|[\d.]+(e−\d+)?( %)?)$|^z[12]$|^[−\d.e]+ to [−\d.e]+$/.test(cell));
    assert.deepEqual(cells, [], "cells that are no numbers");
  }
  const share = (await inside.nth(5).locator("table").first().locator("td.number").allInnerTexts()).map(parseFloat);
  assert.ok(Math.abs(share.reduce((a, b) => a + b) - 100) < 3, `the bins of x1 have ${share.reduce((a, b) => a + b)} % together`);
  /** @param {number} card @param {string} name */
  const save = (card, name) => savedBy(page, () => page.locator("pofx-lab-card").nth(card).getByRole("button", { name }).click());
  const png = await save(3, "PNG");
  assert.match(png.name, /^gan-3\.png$/);
  assert.deepEqual([...png.bytes.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  assert.match((await save(2, "Samples (CSV)")).bytes.toString(), /^x1,x2,log_p\n(-?[\d.e+-]+,-?[\d.e+-]+,-?[\d.e+-]+\n){1000}$/);
  for (const name of ["safetensors", "ONNX"]) assert.match((await save(2, name)).name, /^vae/);
  await close();
  assert.deepEqual(trouble, []);
});

/** What moves by itself: animations that run, and steps that models made. Firefox can't be told here that less is wanted. @param {import("playwright-core").Page} page */
async function motion(page) {
  await page.waitForTimeout(700);
  const running = await page.evaluate(() => {
    const roots = [document];
    for (const root of roots) for (const { shadowRoot } of root.querySelectorAll("*")) if (shadowRoot) roots.push(shadowRoot);
    return roots.flatMap((root) => root.getAnimations()).filter(({ playState }) => playState === "running").length;
  });
  return { running, steps: (await steps(page)).reduce((a, b) => a + b) };
}

test("the tour tells, changes the lab, and can be left; for who wants less motion nothing moves that was not started", async () => {
  const { page, close } = await openLab({ hash: "" });
  assert.equal(await page.locator("pofx-lab-card").count(), 6);
  if (!IN_FIREFOX) assert.deepEqual(await motion(page), { running: 0, steps: 0 });
  await page.getByRole("button", { name: /Take the tour/ }).click();
  await page.getByRole("heading", { name: /1 of \d: Maximum likelihood/ }).waitFor();
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("heading", { name: /Why a Gaussian is not enough/ }).waitFor();
  await page.waitForFunction(() => document.querySelector("pofx-lab").shadowRoot.querySelectorAll("pofx-lab-card").length === 2);
  await answered(page);
  if (!IN_FIREFOX) assert.deepEqual(await motion(page), { running: 0, steps: 0 });
  if (!IN_FIREFOX) await page.getByRole("button", { name: "Play" }).click();
  await page.waitForFunction(() => [...document.querySelector("pofx-lab").shadowRoot.querySelectorAll("pofx-lab-card")].some(({ entry }) => entry.steps > 0));
  await page.getByRole("button", { name: "Leave the tour" }).click();
  await page.getByRole("button", { name: /Take the tour/ }).waitFor();
  await close();
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`axe finds nothing, and nothing overflows: ${colorScheme}, ${width} pixels wide`, async () => {
      const { page, close } = await openLab({ colorScheme, viewport: { width, height: 900 } });
      for (const text of ["Form:", "Look inside", "Show as tables"]) await page.locator("pofx-lab-card").last().getByText(text).click();
      await page.waitForTimeout(500);
      await page.evaluate(AXE);
      const found = await page.evaluate(async () => (await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] })).violations);
      assert.deepEqual(found.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => html.slice(0, 120) + failureSummary)]), []);
      // A phone's page at four times its size, too, with everything open.
      for (const shown of width === 390 ? [390, 320] : [width]) {
        await page.setViewportSize({ width: shown, height: 900 });
        await page.locator("pofx-lab summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = true)));
        await page.waitForTimeout(200);
        const scroll = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(scroll <= shown, `${scroll} > ${shown}`);
      }
      await close();
    });
  }
}
