// What the page needs without a network: the service worker, with the list of all files of the page and their checksums.
// The last step of a build, when every file is what it will be; `node web/offline.mjs dist` does it again for a folder.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(fileURLToPath(import.meta.url));
/** The model that the page opens by itself. */
const DEFAULT_MODEL = /<p-of-x[^>]* model="([^"]+)"/.exec(readFileSync(join(web, "index.html"), "utf8"))?.[1];

/**
 * Writes service-worker.js into a folder that holds the finished page.
 * @param {string} out
 * @param {boolean} minify
 */
export async function writeServiceWorker(out, minify) {
  await build({
    entryPoints: [join(web, "src", "service-worker.js")],
    outdir: out,
    bundle: true,
    format: "iife",
    target: "es2022",
    minify,
    // Workbox's code for developers goes, and the list comes.
    define: { "process.env.NODE_ENV": '"production"', "self.__WB_MANIFEST": JSON.stringify(listed(out)) },
    legalComments: "linked",
    logLevel: "warning",
  });
}

/** The files of the page, each with what changes when it does. @param {string} out */
function listed(out) {
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name).slice(join(out, "/").length).replaceAll("\\", "/"));
  return paths.filter(needed).sort().map((url) => ({ url, revision: checksum(join(out, url)) }));
}

/** Whether the page asks for a file by itself. @param {string} path */
function needed(path) {
  if (path.startsWith("models/")) return path === "models/models.json" || path.startsWith(`models/${DEFAULT_MODEL}/`) && /\.(json|png)$/.test(path);
  return !path.startsWith("service-worker") && /\.(html|js|css|wasm|woff2|png|svg|webmanifest)$/.test(path);
}

/** @param {string} file */
function checksum(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16);
}

if (argv[1] && existsSync(argv[1]) && fileURLToPath(import.meta.url) === argv[1] && argv[2]) await writeServiceWorker(argv[2], true);
