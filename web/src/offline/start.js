// Once the page is alive: the service worker, the default model for visits without a network, and what must be told about both.

import { megabytes } from "../ui/format.js";
import { keep, storedModels } from "./models.js";
import { Note } from "./note.js";
import { listen } from "./notices.js";

/** Models that are on the device after the first visit. */
const DEFAULTS = ["binary-mnist-vae"];

export async function start() {
  listen((notice) => void ("text" in notice ? Promise.resolve(notice.text) : noRoom(notice)).then((text) => Note.show({ text, once: true })));
  const details = document.querySelector("details[data-storage]");
  details?.addEventListener("toggle", () => void import("./panel.js"), { once: true });
  if (!("serviceWorker" in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register(new URL("service-worker.js", new URL("./", import.meta.url)));
    watch(registration);
    for (const id of DEFAULTS) if (!(await storedModels()).find((model) => model.id === id)?.whole) await keep(id);
  } catch {
    // Storage is blocked or the network went away: the page works, and the next visit tries again.
  }
}

/** Offers a version that has come and waits. @param {ServiceWorkerRegistration} registration */
function watch(registration) {
  const offer = () => {
    const { waiting } = registration;
    if (!waiting || !navigator.serviceWorker.controller) return;
    Note.show({ text: "A new version is ready.", action: "Reload", act: () => takeOver(waiting) });
  };
  offer();
  registration.addEventListener("updatefound", () => {
    const coming = registration.installing;
    coming?.addEventListener("statechange", () => coming.state === "installed" && offer());
  });
}

/** @param {ServiceWorker} waiting */
function takeOver(waiting) {
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  waiting.postMessage("take over");
}

/** @param {{ name: string, bytes: number }} notice */
async function noRoom({ name, bytes }) {
  const stored = (await storedModels().catch(() => [])).filter((model) => model.bytes > 0 && model.id !== name);
  const frees = stored.reduce((sum, model) => sum + model.bytes, 0);
  const advice = frees > 0 ? `Clearing other models under “Storage and offline use” frees ${megabytes(frees)}` : "Free some space on this device";
  return `This browser has no room to keep ${name} (${megabytes(bytes)}); it works now, but is downloaded again at the next visit. ${advice}.`;
}
