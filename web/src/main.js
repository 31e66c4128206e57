// The page around the element: its address, the choice of models, its theme.

import "./element.js";
import "./ui/chooser.js";
import { formatHash, parseHash } from "./ui/state.js";

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

/** @type {HTMLButtonElement | null} */
const theme = document.querySelector("[data-theme-button]");
const systemDark = matchMedia("(prefers-color-scheme: dark)");
let chosen = remembered();

function showTheme() {
  if (chosen) document.documentElement.dataset.theme = chosen;
  const dark = chosen ? chosen === "dark" : systemDark.matches;
  if (theme) theme.textContent = dark ? "Light theme" : "Dark theme";
}

theme?.addEventListener("click", () => {
  const dark = chosen ? chosen === "dark" : systemDark.matches;
  chosen = dark ? "light" : "dark";
  try {
    localStorage.setItem("p-of-x theme", chosen);
  } catch {
    // Storage may be blocked: then the choice lasts as long as the page.
  }
  showTheme();
});
systemDark.addEventListener("change", showTheme);
showTheme();

function remembered() {
  try {
    const value = localStorage.getItem("p-of-x theme");
    return value === "dark" || value === "light" ? value : undefined;
  } catch {
    return undefined;
  }
}

// What works without a network comes once the page is alive.
element.addEventListener("load", () => void import("./offline/start.js").then(({ start }) => start()), { once: true });
