// A plain static server for dist/, as any static host would be: no dev server, no special headers
// but a strict policy, and a sub-path, so that absolute URLs and third parties show as failures.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const DIST = fileURLToPath(new URL("../../../dist/", import.meta.url));
const SUB_PATH = "/some/where/p-of-x/";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

/** A strict host: nothing inline, and Trusted Types. */
export const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types p-of-x lit-html",
].join("; ");

/**
 * Serves dist/ on a free port.
 * @param {(path: string, response: import("node:http").ServerResponse) => boolean} [intercept]
 *   may answer a request itself (a path relative to the page) and then returns true
 * @param {Record<string, string>} [headers] of all files
 */
export function serveDist(intercept = () => false, headers = {}) {
  return serveFolder(DIST, { intercept, headers: { "content-security-policy": POLICY, ...headers } });
}

/**
 * Serves a folder on a free port, which is an origin of its own.
 * @param {string} folder
 * @param {{ intercept?: Parameters<typeof serveDist>[0], headers?: Record<string, string>, at?: string }} [options] `at`: below which path
 */
export async function serveFolder(folder, { intercept = () => false, headers = {}, at = SUB_PATH } = {}) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    if (!path.startsWith(at)) return void response.writeHead(404).end();
    const relative = path.slice(at.length) || "index.html";
    if (!intercept(relative, response)) void sendFile(join(folder, normalize(`/${relative}`)), headers, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  // A test that fails before it closes its site must not keep the runner alive.
  server.unref();
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}${at}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

async function sendFile(file, headers, response) {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) return void response.writeHead(404).end();
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-length": found.size,
    ...headers,
  });
  createReadStream(file).pipe(response);
}
