// A plain static server for the benchmark's page and its peers.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };

/**
 * @param {Record<string, string>} folders folder by first part of the path
 * @param {Record<string, string>} pages HTML by name
 */
export async function serve(folders, pages) {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname).slice(1);
    if (path in pages) return void response.writeHead(200, { "content-type": "text/html" }).end(pages[path]);
    const [first, ...rest] = path.split("/");
    const file = folders[first] && join(folders[first], normalize(`/${rest.join("/")}`));
    const found = file && (await stat(file).catch(() => null));
    if (!found?.isFile()) return void response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": found.size });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  server.unref();
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}/`, close: () => server.closeAllConnections() || server.close() };
}
