// Keeps the page for visits without a network. The list of its files comes from the build (`web/offline.mjs`); weights are not in
// it: the engine keeps those under their checksums (`worker/cache.js`), where other models are, too.
//
// To take the page out of browsers again, serve in its place: `self.registration.unregister()`.

import { clientsClaim } from "workbox-core";
import { precacheAndRoute } from "workbox-precaching";
import { registerRoute } from "workbox-routing";
import { NetworkFirst, StaleWhileRevalidate } from "workbox-strategies";

// A damaged file is asked for anew in these words; no copy will do.
registerRoute(({ request }) => request.cache === "reload", ({ request }) => fetch(request));

/** This worker's own scope, and the list that the build puts in; TypeScript's library here is that of pages. */
const worker = /** @type {any} */ (self);

// The page's query (?backend=cpu) does not make it another file. A path that is not listed goes to the network.
precacheAndRoute(/** @type {any} */ (self).__WB_MANIFEST, { ignoreURLParametersMatching: [/./], cleanURLs: false });

// What a model's card says belongs to its weights, which are asked for after it: rather the newest. Both strategies keep answers
// with status 200 alone.
const models = new URL("models/", worker.registration.scope).href;
registerRoute(({ url }) => url.href.startsWith(models) && url.pathname.endsWith(".json"), new NetworkFirst({ cacheName: "p-of-x-cards" }));
registerRoute(({ url }) => url.href.startsWith(models) && url.pathname.endsWith(".png"), new StaleWhileRevalidate({ cacheName: "p-of-x-sheets" }));

// The first visit is served from here at once; a later version waits until the person agrees.
clientsClaim();
worker.addEventListener("message", (/** @type {MessageEvent} */ { data }) => {
  if (data === "take over") worker.skipWaiting();
});
