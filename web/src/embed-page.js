// The element in a frame of another page:
//
//   <iframe src=".../embed.html?model=mnist-diffusion&task=generate&seed=7&host=https://example.org" sandbox="allow-scripts allow-same-origin">
//
// Both sides talk by messages. The frame listens to its parent alone, and to it alone it speaks, at the origin that `host` names.
// To the frame: { type: "p-of-x", set: { seed: "8" } } changes attributes, { type: "p-of-x", ask: [784 values from 0 to 255] } asks.
// From the frame: { type: "p-of-x", event, detail }, where event is load, sample, estimate, progress, error, or height (in pixels).

import "./element.js";

/** @typedef {import("./element.js").PofxElement} PofxElement */

const ATTRIBUTES = ["model", "task", "seed", "n", "query", "backend", "setting"];
const EVENTS = ["load", "sample", "estimate", "progress", "error"];
const LONGEST = 4096;
const PIXELS = 784;

const said = new URLSearchParams(location.search);
const element = /** @type {PofxElement} */ (document.createElement("p-of-x"));
set(Object.fromEntries(said));
element.setAttribute("loading", "eager");
document.querySelector("main")?.append(element);

const host = originOf(said.get("host"));
if (host && parent !== window) {
  for (const event of EVENTS) element.addEventListener(event, (e) => tell(event, /** @type {CustomEvent} */ (e).detail));
  new ResizeObserver(() => tell("height", document.documentElement.scrollHeight)).observe(document.body);
  addEventListener("message", ({ source, origin, data }) => {
    if (source === parent && origin === host && isOurs(data)) listen(data);
  });
}

/** The origin of an address, if it is one of the web. @param {string | null} text */
function originOf(text) {
  try {
    const { origin, protocol } = new URL(text ?? "");
    return protocol === "https:" || protocol === "http:" ? origin : undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown} data @returns {data is { type: "p-of-x", set?: unknown, ask?: unknown }} */
function isOurs(data) {
  return typeof data === "object" && data !== null && "type" in data && data.type === "p-of-x";
}

/** @param {{ set?: unknown, ask?: unknown }} message */
function listen({ set: attributes, ask }) {
  if (typeof attributes === "object" && attributes !== null) set(attributes);
  const isPicture = (ask instanceof Uint8Array || Array.isArray(ask)) && ask.length === PIXELS;
  if (isPicture && Array.from(ask).every((v) => Number.isInteger(v) && v >= 0 && v <= 255)) element.ask(Uint8Array.from(ask));
}

/** @param {object} attributes */
function set(attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const plain = typeof value === "string" || typeof value === "number";
    if (ATTRIBUTES.includes(name) && plain && String(value).length <= LONGEST) element.setAttribute(name, String(value));
  }
}

/** @param {string} event @param {unknown} detail */
function tell(event, detail) {
  const { code, message, recoverable } = /** @type {any} */ (detail ?? {});
  parent.postMessage({ type: "p-of-x", event, detail: event === "error" ? { code, message, recoverable } : detail }, /** @type {string} */ (host));
}
