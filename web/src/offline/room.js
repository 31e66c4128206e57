// What could make room on this device: all that a person may clear under “Storage and offline use”.

import { keptRuns, sizeOf as sizeOfRun } from "../ui/course.js";
import { megabytes } from "../ui/format.js";
import { results, sizeOf as sizeOfResults } from "../ui/recent-store.js";
import { storedModels } from "./models.js";

/** Whether an error says that there is no room. @param {unknown} thrown */
export function isFull(thrown) {
  return thrown instanceof Error && thrown.name === "QuotaExceededError";
}

/** What a person can do, as a sentence. @param {{ model?: string, run?: string }} kept what is to stay: a model, the run of a model */
export async function advice({ model = "", run = "" }) {
  // A page without that panel says nothing of it.
  const frees = document.querySelector("details[data-storage]") ? await freeable(model, run) : 0;
  if (frees === 0) return "Free some space on this device.";
  return `Clearing what else is kept under “Storage and offline use” frees up to ${megabytes(frees)}.`;
}

/** @param {string} model @param {string} run */
async function freeable(model, run) {
  // What can't be read can't be cleared either.
  const none = () => [];
  const models = (await storedModels().catch(none)).filter(({ id }) => id !== model).map(({ bytes }) => bytes);
  const runs = (await keptRuns().catch(none)).filter((kept) => kept.model !== run).map(sizeOfRun);
  return [...models, ...runs, sizeOfResults(await results().catch(none))].reduce((sum, bytes) => sum + bytes, 0);
}
