// Lighthouse's scores of each room on its model of a phone (a slow network, a processor four times as slow as this one), from a
// static server that compresses, as good hosts do. The middle one of three runs counts. The last line is one JSON object.

import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";
import { DIST } from "../support/site.mjs";

const ROOMS = { generate: "", ask: "#v=1&room=ask", lab: "lab.html" };
const RUNS = 3;
const CATEGORIES = ["performance", "accessibility", "best-practices"];
const FIGURES = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift", "interactive"];
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".wasm": "application/wasm", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2", ".webmanifest": "application/manifest+json" };
const PACKED = new Set([".html", ".js", ".css", ".json", ".wasm", ".svg", ".webmanifest"]);

/** Compressed files. @type {Map<string, Buffer>} */
const known = new Map();
const server = createServer(send).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const rooms = {};
for (const [room, path] of Object.entries(ROOMS)) {
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push(await measure(`http://127.0.0.1:${port}/${path}`));
  rooms[room] = runs.sort((a, b) => a.performance - b.performance)[RUNS >> 1];
  console.log(`${room.padEnd(9)} ${Object.entries(rooms[room]).map(([name, value]) => `${name} ${value}`).join(", ")}`);
}
server.close();
server.closeAllConnections();
console.log(JSON.stringify({ lighthouse: rooms }));

/** By a browser that has seen nothing yet, each time. @param {string} url */
async function measure(url) {
  const chrome = await launch({ chromePath: process.env.CHROME, chromeFlags: ["--headless=new", "--no-sandbox"] });
  try {
    const { lhr } = await lighthouse(url, { port: chrome.port, onlyCategories: CATEGORIES });
    const scores = CATEGORIES.map((name) => [name, Math.round(100 * lhr.categories[name].score)]);
    const figures = FIGURES.map((name) => [name, Number(lhr.audits[name].numericValue.toFixed(name.startsWith("cumulative") ? 3 : 0))]);
    return Object.fromEntries([...scores, ...figures]);
  } finally {
    chrome.kill();
  }
}

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
function send(request, response) {
  const path = new URL(request.url ?? "/", "http://localhost").pathname;
  const file = join(DIST, normalize(path.endsWith("/") ? `${path}index.html` : path));
  if (!existsSync(file)) return void response.writeHead(404).end();
  const packed = PACKED.has(extname(file));
  const body = packed ? compressed(file) : readFileSync(file);
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-length": body.length, ...(packed ? { "content-encoding": "br" } : {}) });
  response.end(body);
}

/** @param {string} file */
function compressed(file) {
  if (!known.has(file)) known.set(file, brotliCompressSync(readFileSync(file)));
  return /** @type {Buffer} */ (known.get(file));
}
