// A clock that stands still while other programs have the processor: what the page's main thread used.

import { readFileSync, readdirSync } from "node:fs";

/**
 * Gives the page a function `clock` of milliseconds: processor time of its thread on Linux, elsewhere the time of day.
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").Page} page
 */
export async function useProcessorTime(browser, page) {
  const pid = await rendererOf(browser, page);
  if (pid) await page.exposeFunction("clock", () => threadMs(pid));
  else await page.evaluate(() => (globalThis.clock = () => performance.now()));
}

/**
 * Gives the page a function `processor` of seconds: what all threads of the browser's pages have used, workers included;
 * NaN where the system does not tell.
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").Page} page
 */
export async function countProcessorTime(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const pids = processInfo.filter((process) => process.type === "renderer").map((process) => process.id);
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  await page.exposeFunction("processor", () => sum(pids.map((pid) => sum(threads(pid).map((tid) => threadMs(pid, tid))))) / 1000);
}

/** Ids of a process's threads. */
function threads(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [NaN];
  }
}

/** The process whose time grows whenever the page counts, not just once, as that of a process that starts. */
async function rendererOf(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const pids = processInfo.filter((process) => process.type === "renderer").map((process) => process.id);
  const least = pids.map(() => Infinity);
  for (let i = 0; i < 4; i++) {
    const before = pids.map((pid) => threadMs(pid));
    await page.evaluate(() => {
      const end = performance.now() + 100;
      while (performance.now() < end);
    });
    pids.forEach((pid, i) => (least[i] = Math.min(least[i], threadMs(pid) - before[i])));
  }
  const busiest = least.indexOf(Math.max(...least));
  return least[busiest] > 10 ? pids[busiest] : undefined;
}

/** Milliseconds that a thread of a process has run, its first one if not said; NaN where the system does not tell. */
function threadMs(pid, tid = pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return NaN;
  }
}
