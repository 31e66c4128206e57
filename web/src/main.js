// The page around the element: its address, its theme.

import "./element.js";
import { formatHash, parseHash } from "./ui/state.js";

/** @typedef {import("./element.js").PofxElement} PofxElement */

const element = /** @type {PofxElement} */ (document.querySelector("p-of-x"));

// ?backend=cpu or webgpu overrides the choice.
const backend = new URLSearchParams(location.search).get("backend");
if (backend) element.setAttribute("backend", backend);

/** The last hash that came from us: our own changes are not to be applied again. */
let written = "";

function applyHash() {
  if (location.hash === written) return;
  const { seed, pixels } = parseHash(location.hash);
  if (seed !== undefined) element.seed = seed;
  element.ask(pixels);
}
applyHash();
addEventListener("hashchange", applyHash);

element.addEventListener("statechange", () => {
  written = formatHash(element.state);
  history.replaceState(null, "", written);
});

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
