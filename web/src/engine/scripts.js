// Our scripts beside the page's own: workers, from any origin, also where a page's policy wants Trusted Types
// (`require-trusted-types-for 'script'`). Such a policy has to allow the names `p-of-x` (workers) and `lit-html` (templates).

/** Nobody else gets hold of it, and it is asked about our own files alone. */
const policy = makePolicy();

function makePolicy() {
  try {
    // Not in TypeScript's library yet.
    return /** @type {any} */ (globalThis).trustedTypes?.createPolicy("p-of-x", { createScriptURL: (/** @type {string} */ url) => url });
  } catch {
    // The page allows no such policy; if it wants one, the browser says so when a worker starts.
    return undefined;
  }
}

/** @param {string} url @returns {string} */
function trusted(url) {
  return policy?.createScriptURL(url) ?? url;
}

/**
 * A worker from any origin. Browsers start none from another origin's file: there one of our own is started that imports it, which that
 * origin's CORS headers must allow. A sandboxed frame has no origin, and its blobs may not import: it takes a data: address.
 * @param {string} file
 * @param {URL} base the folder that holds it
 * @param {string} name
 */
export function startWorker(file, base, name) {
  const url = new URL(file, base);
  const options = /** @type {const} */ ({ type: "module", name });
  if (url.origin === self.origin) return new Worker(trusted(url.href), options);
  const code = `import ${JSON.stringify(url.href)};`;
  if (self.origin === "null") return new Worker(trusted(`data:text/javascript,${encodeURIComponent(code)}`), options);
  const blob = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new Worker(trusted(blob), options);
  // It is read while the worker starts; the address is not needed afterwards.
  worker.addEventListener("message", () => URL.revokeObjectURL(blob), { once: true });
  return worker;
}

/** @param {URL} base the folder of the page */
export function registerServiceWorker(base) {
  return navigator.serviceWorker.register(trusted(new URL("service-worker.js", base).href));
}
