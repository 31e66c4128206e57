// The system's Chromium with WebGPU, and pages that notice when something goes wrong in silence.

import { chromium } from "playwright-core";
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

/** @param {string[]} [flags] more command line flags */
export function launch(flags = []) {
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
