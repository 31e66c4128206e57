// The page around the element: its address and the choice of models.

import "./element.js";
import "./ui/chooser.js";
import { pictureOf } from "./ui/picture.js";
import { ROOMS, USUAL_COUNT, formatHash, parseHash } from "./ui/state.js";
import "./ui/theme.js";

/** @typedef {import("./element.js").PofxElement} PofxElement */
/** @typedef {import("./ui/chooser.js").Chooser} Chooser */

const element = /** @type {PofxElement} */ (document.querySelector("p-of-x"));
const chooser = /** @type {Chooser} */ (document.querySelector("pofx-chooser"));
const recent = /** @type {import("./ui/recent.js").Recent} */ (document.querySelector("pofx-recent"));

// ?backend=cpu or webgpu overrides the choice.
const backend = new URLSearchParams(location.search).get("backend");
if (backend) element.setAttribute("backend", backend);

const SETTLED_MS = 1000;
/** The last hash that came from us: our own changes are not to be applied again. */
let written = "";

/** @typedef {import("./ui/state.js").Room} Room */
/** What a room is called in the tab. @type {Record<Room, string>} */
const TITLES = { generate: "Generate: sample from p(x) · p of x", ask: "Ask: how likely is a picture? · p of x" };
/** @type {Room} */
let room = "generate";

function applyHash() {
  if (location.hash === written) return;
  const linked = parseHash(location.hash);
  // Links that are older than the rooms: one with a picture asks about it.
  enter(linked.room ?? (linked.pixels ? "ask" : "generate"));
  // Going to another room changes nothing else.
  const { model = element.model, seed = element.seed, n = USUAL_COUNT } = linked;
  const usual = n === USUAL_COUNT ? undefined : n;
  if (link() !== formatHash({ ...linked, room, model, seed, n: usual })) element.show({ ...linked, n });
}

/** @param {Room} to */
function enter(to) {
  room = to;
  element.task = to;
  document.title = TITLES[to];
  for (const part of document.querySelectorAll("[data-only]")) part.toggleAttribute("hidden", part.getAttribute("data-only") !== to);
  showLinks();
}

/** The address of what is shown, in this room or another. */
function link(to = room) {
  return formatHash({ ...element.state, room: to });
}

function showLinks() {
  for (const to of ROOMS) {
    const anchor = document.querySelector(`[data-room=${to}]`);
    anchor?.setAttribute("href", link(to));
    if (to === room) anchor?.setAttribute("aria-current", "page");
    else anchor?.removeAttribute("aria-current");
  }
}

applyHash();
if (!location.hash) enter(room);
addEventListener("hashchange", applyHash);

element.addEventListener("statechange", () => {
  written = link();
  history.replaceState(null, "", written);
  showLinks();
});
element.addEventListener("taskchange", () => {
  enter(/** @type {Room} */ (element.task));
  written = link();
  history.pushState(null, "", written);
  scrollTo(0, 0);
});

// Results are kept once nothing else has been drawn for a while: a slider that moves makes many.
let settling = 0;
element.addEventListener("sample", (event) => {
  const step = /** @type {CustomEvent<import("./p-of-x.js").SampleStep>} */ (event).detail;
  const { model = element.model, seed = element.seed, values = {} } = element.state;
  const pictures = Array.from({ length: Math.min(step.n, 4) }, (_, i) => pictureOf(step, i)).map((pixels) => ({ ...pixels, data: pixels.data.slice() }));
  clearTimeout(settling);
  if (element.ownWeights) return;
  settling = setTimeout(() => void keep({ model, seed, n: step.n, values, pictures }), SETTLED_MS);
});
recent.addEventListener("restore", (event) => {
  const { model, seed, n, values } = /** @type {CustomEvent<import("./ui/recent-store.js").Result>} */ (event).detail;
  element.n = n;
  element.show({ model, seed, values });
  element.scrollIntoView();
});

/** @param {Parameters<import("./ui/recent.js").Recent["keep"]>[0]} result */
async function keep(result) {
  await import("./ui/recent.js");
  await recent.keep(result);
}

const folder = new URL("models/", import.meta.url);
chooser.folder = folder;
const showModel = () => (chooser.model = element.model);
showModel();
for (const name of ["load", "error", "statechange"]) element.addEventListener(name, showModel);
chooser.addEventListener("choose", (event) => element.show({ model: /** @type {CustomEvent<string>} */ (event).detail }));
listModels().then((models) => (chooser.models = models));

/** The models that are shipped; without the list the page works with the one it has. */
async function listModels() {
  try {
    const response = await fetch(new URL("models.json", folder));
    return response.ok ? await response.json() : [];
  } catch {
    return [];
  }
}

// What works without a network comes a second after the page has drawn or answered, not in the way of what a person does first.
const alive = ["sample", "estimate"].map((name) => new Promise((resolve) => element.addEventListener(name, resolve, { once: true })));
const keepOffline = () => void import("./offline/start.js").then(({ start }) => start());
Promise.race(alive).then(() => setTimeout(keepOffline, 1000));
