// The page around the element: its address and the choice of models.

import "./element.js";
import "./ui/chooser.js";
import { formatHash, parseHash } from "./ui/state.js";
import "./ui/theme.js";

/** @typedef {import("./element.js").PofxElement} PofxElement */
/** @typedef {import("./ui/chooser.js").Chooser} Chooser */

const element = /** @type {PofxElement} */ (document.querySelector("p-of-x"));
const chooser = /** @type {Chooser} */ (document.querySelector("pofx-chooser"));

// ?backend=cpu or webgpu overrides the choice.
const backend = new URLSearchParams(location.search).get("backend");
if (backend) element.setAttribute("backend", backend);

/** The last hash that came from us: our own changes are not to be applied again. */
let written = "";

function applyHash() {
  if (location.hash === written) return;
  element.show(parseHash(location.hash));
}
applyHash();
addEventListener("hashchange", applyHash);

element.addEventListener("statechange", () => {
  written = formatHash(element.state);
  history.replaceState(null, "", written);
});

const folder = new URL("models/", import.meta.url);
chooser.folder = folder;
const showModel = () => (chooser.model = element.model);
showModel();
element.addEventListener("load", showModel);
element.addEventListener("error", showModel);
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
