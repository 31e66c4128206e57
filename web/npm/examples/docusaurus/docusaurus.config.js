const baseUrl = "/";

export default {
  title: "Digits",
  url: "https://example.org",
  baseUrl,
  presets: [["classic", { docs: { routeBasePath: "/" }, blog: false }]],
  // The folder static/p-of-x is served as it is: no bundler has to understand it, and no server to render it.
  scripts: [{ src: `${baseUrl}p-of-x/element.js`, type: "module" }],
};
