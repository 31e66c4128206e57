// A clock that stands still while other programs have the processor: what the page's main thread used.

import { readFileSync } from "node:fs";

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

/** The process whose time grows whenever the page counts, not just once, as that of a process that starts. */
async function rendererOf(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const pids = processInfo.filter((process) => process.type === "renderer").map((process) => process.id);
  const least = pids.map(() => Infinity);
  for (let i = 0; i < 4; i++) {
    const before = pids.map(threadMs);
    await page.evaluate(() => {
      const end = performance.now() + 100;
      while (performance.now() < end);
    });
    pids.forEach((pid, i) => (least[i] = Math.min(least[i], threadMs(pid) - before[i])));
  }
  const busiest = least.indexOf(Math.max(...least));
  return least[busiest] > 10 ? pids[busiest] : undefined;
}

/** Milliseconds that the first thread of a process has run; NaN where the system does not tell. */
function threadMs(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return NaN;
  }
}
