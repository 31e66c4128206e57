// Served as service-worker.js, this takes the page out of browsers that keep it: their next visit is an ordinary one.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(retire()));

async function retire() {
  await self.registration.unregister();
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.endsWith(self.registration.scope)).map((name) => caches.delete(name)));
}
