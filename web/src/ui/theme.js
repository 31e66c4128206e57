// Light or dark: what the system says, or what the person chose.

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
