// The system's Chromium with WebGPU or, where $BROWSER is "firefox", its Firefox, and pages that notice when something goes wrong in
// silence.

import { chromium, firefox } from "playwright-core";
import { serveDist } from "./site.mjs";

// SwiftShader gives WebGPU on machines without a GPU; the rest keeps the browser from talking to
// anyone but us.
const FLAGS = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Whether the tests run in Firefox: it has no WebGPU here, and what only Chromium lets a test do is left out. */
export const IN_FIREFOX = process.env.BROWSER === "firefox";

/** @param {string[]} [flags] more command line flags of Chromium */
export function launch(flags = []) {
  if (IN_FIREFOX) return firefox.launch({ executablePath: process.env.FIREFOX, channel: "moz-firefox" });
  const executablePath = process.env.CHROME;
  if (!executablePath) throw new Error("$CHROME names no browser: run `cargo xtask test --browser`");
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/**
 * A fresh page on the built site. `page.trouble` collects uncaught errors, console errors and
 * requests to other origins: a test that expects none asserts that it is empty.
 * @param {import("playwright-core").Browser} browser
 * @param {{ query?: string, context?: object, intercept?: Parameters<typeof serveDist>[0], prepare?: (page: import("playwright-core").Page) => Promise<unknown> }} [options]
 */
export async function openSite(browser, { query = "", context: contextOptions = {}, intercept, prepare } = {}) {
  const site = await serveDist(intercept);
  const context = await browser.newContext(contextOptions);
  const page = await context.newPage();
  /** @type {string[]} */
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") trouble.push(`console: ${message.text()} (${message.location().url})`);
  });
  context.on("request", (request) => {
    const url = request.url();
    if (url.startsWith("http") && !url.startsWith(site.url)) trouble.push(`request: ${url}`);
  });
  await prepare?.(page);
  await page.goto(site.url + query);
  const close = async () => {
    await context.close();
    await site.close();
  };
  return { page, trouble, url: site.url, close };
}
