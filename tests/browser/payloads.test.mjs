// Texts from others that would be code, elsewhere: in cards, lists, addresses, names of files and of tensors, tables and errors. They are
// shown as what they are.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IN_FIREFOX, launch, openSite } from "./support/browser.mjs";
import { LISTED, MODEL, WEIGHTS, card, dist, replace, sampled, together } from "./support/lab.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

const KINDS = [
  `<img src=x onerror="__pwned=1">`,
  `"><svg onload=__pwned=1>`,
  "javascript:__pwned=1",
  "</script><script>__pwned=1</script>",
  `<iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>`,
  "{{constructor.constructor('__pwned=1')()}}",
  "${__pwned=1}",
  "__proto__",
  "constructor",
  "\u202egnp.exe\u200b\u0000",
  "&#60;img src=x onerror=__pwned=1&#62;",
  "<x>".repeat(350_000),
];
const PAYLOADS = KINDS.flatMap((text) => [text, `'${text}'`, `<!--${text}-->`, text.toUpperCase(), `${text}" onfocus=__pwned=1 autofocus x="`]);

/** What a payload could have done. @param {import("playwright-core").Page} page @param {string} where */
async function inert(page, where) {
  const found = await page.evaluate(() => {
    const wrong = [];
    const walk = (root) => {
      for (const element of root.querySelectorAll("*")) {
        for (const { name, value } of element.attributes) if (/^on/i.test(name) || /^\s*javascript:/i.test(value)) wrong.push(`${element.localName} ${name}`);
        if (/^(iframe|object|embed)$/.test(element.localName)) wrong.push(element.localName);
        if (element.shadowRoot) walk(element.shadowRoot);
      }
    };
    walk(document);
    return { wrong, ran: "__pwned" in globalThis || "__PWNED" in globalThis, polluted: Object.keys(Object.prototype).length };
  });
  assert.deepEqual(found, { wrong: [], ran: false, polluted: 0 }, where);
}

/** A page on which nothing may open a dialog. @param {NonNullable<Parameters<typeof openSite>[1]>} options */
async function open(options) {
  const site = await openSite(browser, options);
  site.page.on("dialog", () => assert.fail("a dialog was opened"));
  return site;
}

/** Texts of a card that the page shows; each takes one payload. @param {Record<string, any>} card @param {string[]} payloads */
function poison(card, payloads) {
  const [p, ...rest] = payloads;
  [card.title, card.data.name, card.data.source, card.data.licence, card.data.preparation] = [p, ...rest];
  [card.parametric_form, card.loss, card.optimiser, card.licence, card.references[0]] = rest.slice(4);
  [card.references[1], card.metrics.command, card.labels[0].values[0], card.controls[1].help, card.reference.others[0].name] = rest.slice(9);
  return JSON.stringify(card);
}

test(`cards and the list of models: ${PAYLOADS.length} payloads in each`, async () => {
  const id = "mnist-vae";
  const size = 15;
  for (let from = 0; from < PAYLOADS.length; from += size) {
    const payloads = PAYLOADS.slice(from, from + size);
    const list = JSON.stringify(LISTED.map((listed, i) => ({ ...listed, title: payloads[i % size], data: payloads[(i + 1) % size], family: listed.family })));
    const json = { "content-type": "application/json" };
    const intercept = together(replace(`models/${id}/card.json`, poison(card(id), payloads), json), replace("models/models.json", list, json));
    const { page, close } = await open({ query: `?backend=cpu#v=1&model=${id}`, intercept });
    await sampled(page);
    await page.locator("pofx-chooser summary").click();
    await page.locator("pofx-chooser li button").nth(LISTED.length - 1).waitFor();
    await inert(page, `from ${from}`);
    await close();
  }
});

/** The shipped weights whose first tensor has another name. @param {string} name */
function weightsNamed(name) {
  const shipped = dist(WEIGHTS);
  const length = Number(shipped.readBigUInt64LE(0));
  const tensors = Object.entries(JSON.parse(shipped.toString("utf8", 8, 8 + length))).filter(([name]) => name !== "__metadata__");
  const header = Buffer.from(JSON.stringify(Object.fromEntries([[name, tensors[0][1]], ...tensors.slice(1)])));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([start, header]).toString("base64");
}

/** Drops files on an element, one after the other, and gives the page time to speak of each. */
function drop(page, selector, files) {
  return page.evaluate(
    async ([selector, files]) => {
      for (const { name, base64 } of files) {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
        document.querySelector(selector).dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true, composed: true }));
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
    },
    [selector, files],
  );
}

test(`names of files and of tensors, addresses, and errors about them: ${PAYLOADS.length} payloads in each`, async () => {
  const { page, close } = await open({ query: "?backend=cpu" });
  await sampled(page);
  const alerts = page.locator("p-of-x .alert");
  const text = Buffer.from("no picture").toString("base64");
  await drop(page, "p-of-x", PAYLOADS.map((payload) => ({ name: `${payload}.png`, base64: text })));
  await alerts.waitFor();
  await inert(page, "names of files");
  await drop(page, "p-of-x", PAYLOADS.map((payload) => ({ name: "mine.safetensors", base64: weightsNamed(payload) })));
  await alerts.waitFor();
  await inert(page, "names of tensors");
  await page.evaluate(async (payloads) => {
    for (const payload of payloads) {
      document.querySelector("p-of-x").show({ seed: payload });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }, PAYLOADS);
  await inert(page, "errors about a seed");
  await page.evaluate(async ([payloads, longest]) => {
    for (const payload of payloads) {
      const text = encodeURIComponent(payload.toWellFormed());
      const hash = `v=1&room=${text}&model=${text}&seed=${text}&x=${text}&c.temperature=${text}&c.${text}=1`;
      // Firefox takes no address above a megabyte.
      if (hash.length < longest) location.hash = hash;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  }, /** @type {const} */ ([PAYLOADS, IN_FIREFOX ? 1e6 : Infinity]));
  await inert(page, "addresses");
  // And the page still does what it is for.
  await page.evaluate((id) => (location.hash = `v=1&room=generate&model=${id}&seed=8`), MODEL);
  await page.waitForFunction(() => document.querySelector("p-of-x").shadowRoot.querySelector("pofx-sampler")?.step?.seed === 8);
  await close();
});

test(`columns and names of tables in the lab: ${PAYLOADS.length} payloads`, async () => {
  const { page, close } = await open({ query: "lab.html?backend=cpu" });
  await page.waitForFunction(() => document.querySelector("pofx-lab")?.shadowRoot?.querySelector("table td"));
  const rows = Array.from({ length: 12 }, (_, i) => `${Math.sin(i)},${Math.cos(i)}`).join("\n");
  const table = (payload) => Buffer.from(`"${payload.replaceAll('"', '""')}",b\n${rows}`).toString("base64");
  await drop(page, "pofx-lab", PAYLOADS.map((payload) => ({ name: `${payload}.csv`, base64: table(payload) })));
  await inert(page, "tables");
  await close();
});
