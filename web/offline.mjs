// What the page needs without a network: the service worker, with the list of all files of the page and their checksums. The last
// step of a build, when every file is what it will be.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(fileURLToPath(import.meta.url));

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

/** The files of the page in the form that Workbox reads: `revision` tells versions apart, `integrity` is checked on arrival. */
function listed(out) {
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => relative(out, join(parentPath, name)).replaceAll(sep, "/"));
  return paths.filter(needed).sort().map((url) => {
    const digest = createHash("sha256").update(readFileSync(join(out, url))).digest();
    return { url, revision: digest.toString("hex", 0, 8), integrity: `sha256-${digest.toString("base64")}` };
  });
}

/** Whether a file belongs to the page itself: those of models are kept when they are first used. @param {string} path */
function needed(path) {
  if (path.startsWith("models/")) return path === "models/models.json";
  return /\.(html|js|css|wasm|woff2|png|svg|webmanifest)$/.test(path);
}
