// Once the page is alive: the service worker, the default models for visits without a network, and what must be told about both.

import { registerServiceWorker } from "../engine/scripts.js";
import { megabytes } from "../ui/format.js";
import { BASE, keep, storedModels } from "./models.js";
import { Note } from "./note.js";
import { listen } from "./notices.js";

/** @typedef {{ name: string, bytes: number }} NoRoom a model, and the file of it that could not be kept */

/** Models that could not be kept. @type {Set<string>} */
const tooLarge = new Set();

/** Tells all tabs that the person wants the version that waits. */
const agreed = new BroadcastChannel("p-of-x version");
agreed.onmessage = reloadWithTheNext;

export async function start() {
  listen((notice) => {
    if ("text" in notice) return Note.show({ text: notice.text, once: true });
    tooLarge.add(notice.name);
    void noRoom(notice).then((text) => Note.show({ text, once: true }));
  });
  const details = /** @type {HTMLDetailsElement | null} */ (document.querySelector("details[data-storage]"));
  const show = () => void (details?.open && import("./panel.js"));
  details?.addEventListener("toggle", show);
  show();
  try {
    const registration = await registerServiceWorker(BASE);
    watch(registration);
    await navigator.serviceWorker.ready;
    for (const { id, offline, whole } of await storedModels()) if (offline && !whole && !tooLarge.has(id)) await keep(id);
  } catch {
    // No service workers here, storage is blocked, or the network went away: the page works, and the next visit tries again.
  }
}

/** Offers a version that has come and waits. @param {ServiceWorkerRegistration} registration */
function watch(registration) {
  const offer = () => {
    const { waiting } = registration;
    if (!waiting || !navigator.serviceWorker.controller) return;
    Note.show({ text: "A new version is ready.", action: "Reload", act: () => takeOver(waiting, "take over") });
  };
  offer();
  registration.addEventListener("updatefound", () => {
    const coming = registration.installing;
    coming?.addEventListener("statechange", () => coming.state === "installed" && offer());
  });
}

function reloadWithTheNext() {
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
}

/** @param {ServiceWorker} waiting @param {"take over" | "take over everywhere"} wish */
function takeOver(waiting, wish) {
  reloadWithTheNext();
  if (wish === "take over everywhere") agreed.postMessage(wish);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data: open }) => {
    port1.close();
    if (open === 1 || wish === "take over everywhere") return;
    // Theirs are the files that would go, and what they do is lost by a reload.
    const others = open === 2 ? "the other tab" : `the ${open - 1} other tabs`;
    const text = `This page is open elsewhere, too: ${others} must be closed, or reloaded with this one, which keeps what is in the address and loses what is not.`;
    Note.show({ text, action: "Reload all tabs", act: () => takeOver(waiting, "take over everywhere") });
  };
  waiting.postMessage(wish, [port2]);
}

/** @param {NoRoom} notice */
async function noRoom({ name, bytes }) {
  const { advice } = await import("./room.js");
  return `This browser has no room to keep ${name} (${megabytes(bytes)}); it works now, but is downloaded again at the next visit. ${await advice({ model: name })}`;
}
