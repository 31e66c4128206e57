// Keeps the page for visits without a network. The list of its files, with their checksums, comes from the build
// (`web/offline.mjs`). Weights and cards are not in it: the engine keeps those itself (`worker/cache.js`), and they are never asked
// for through here. The pictures of models are kept once they are seen.
//
// To take the page out of browsers again, serve `web/retire.js` in the place of this file.

import { clientsClaim } from "workbox-core";
import { addPlugins, precacheAndRoute } from "workbox-precaching";
import { registerRoute } from "workbox-routing";
import { StaleWhileRevalidate } from "workbox-strategies";
import { MODEL_FILES } from "./worker/cache.js";

/** This worker's own scope; TypeScript's library here is that of pages. */
const worker = /** @type {any} */ (self);

// What the page has just downloaded is asked for by "is it still so?" instead of a second time. A file that is not the one of the
// list (a server amidst an update) is refused by its checksum, and so is the version: the one before goes on.
addPlugins([{ requestWillFetch: async ({ request }) => new Request(request, { cache: "no-cache" }) }]);

// The page's query (?backend=cpu) does not make it another file. A path that is not listed goes to the network.
precacheAndRoute(/** @type {any} */ (self).__WB_MANIFEST, { ignoreURLParametersMatching: [/./], cleanURLs: false });

const models = new URL("models/", worker.registration.scope).pathname;
registerRoute(({ url, sameOrigin }) => sameOrigin && url.pathname.startsWith(models) && url.pathname.endsWith(".png"), new StaleWhileRevalidate({ cacheName: MODEL_FILES }));

// The first visit is served from here at once. A later version would take away the files of the tabs that have the present one open,
// so it waits until the person agrees: with one tab that this is reloaded, with several that all of them are.
clientsClaim();
worker.addEventListener("message", async (/** @type {MessageEvent} */ { data, ports: [port] }) => {
  if (data !== "take over" && data !== "take over everywhere") return;
  /** @type {{ url: string }[]} */
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = windows.filter(({ url }) => url.startsWith(worker.registration.scope)).length;
  if (open <= 1 || data === "take over everywhere") worker.skipWaiting();
  port.postMessage(open);
});
