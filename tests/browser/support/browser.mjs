// The system's Chromium with WebGPU or, where $BROWSER is "firefox", its Firefox, and pages that notice when something goes wrong in
// silence.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

const FEWER = IN_FIREFOX && !process.env.EVERY;

/**
 * The cases of a test that differ in nothing that a browser has a say in, such as the model: Chromium runs all of them, Firefox these few,
 * or all where $EVERY says so.
 * @template T @param {readonly T[]} all @param {(value: T, index: number) => boolean} few
 */
export function cases(all, few) {
  return FEWER ? all.filter(few) : all;
}

/** For a test that is no more than such a case. */
export const NOT_AGAIN = { skip: FEWER && "Chromium runs it, and a browser has no say in it" };

/** For a test of what is not there in Firefox. */
export const NEEDS_WEBGPU = { skip: IN_FIREFOX && "Firefox has no WebGPU here" };

/** Flags with which a browser has a camera that shows a test picture, and gives it without being asked. */
export const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
/** The same for Firefox, as preferences. */
const CAMERA_OF_FIREFOX = { "media.navigator.streams.fake": true, "media.navigator.permission.disabled": true };

/** No list of downloads that takes the keyboard from the page. */
const QUIET = { "browser.download.alwaysOpenPanel": false };

/** Where Firefox puts what a page saves. @type {string | undefined} */
let downloads;

/**
 * @param {string[]} [flags] more command line flags; Firefox knows those of [`CAMERA`] alone
 * @param {import("playwright-core").LaunchOptions} [options] of Chromium
 */
export function launch(flags = [], options = {}) {
  if (IN_FIREFOX) return launchFirefox(flags);
  const executablePath = process.env.CHROME;
  if (!executablePath) throw new Error("$CHROME names no browser: run `cargo xtask test --browser`");
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags], ...options });
}

/** @param {string[]} flags */
function launchFirefox(flags) {
  if (!downloads) {
    const folder = (downloads = mkdtempSync(join(tmpdir(), "p-of-x-downloads-")));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  }
  return firefox.launch({
    executablePath: process.env.FIREFOX,
    channel: "moz-firefox",
    downloadsPath: downloads,
    firefoxUserPrefs: flags === CAMERA ? { ...QUIET, ...CAMERA_OF_FIREFOX } : QUIET,
  });
}

/**
 * Shows a page by day or by night: in Firefox, which can't be told here what a person prefers, as by the page's own button.
 * @param {import("playwright-core").Page} page @param {"light" | "dark" | "no-preference" | null} colorScheme
 */
export async function paint(page, colorScheme) {
  if (!IN_FIREFOX) return page.emulateMedia({ colorScheme });
  await page.evaluate((scheme) => void (document.documentElement.dataset.theme = scheme ?? "light"), colorScheme);
}

/**
 * Types a text in place of what is in a field, and ends with a key: Firefox tells a page of no change that keys have not made.
 * @param {import("playwright-core").Locator} field @param {string} text @param {"Enter" | "Tab"} [end]
 */
export async function typeInto(field, text, end = "Enter") {
  await field.press("ControlOrMeta+a");
  await field.pressSequentially(text);
  await field.press(end);
}

/**
 * The file that a page saves when something is done: its name and its bytes.
 * @param {import("playwright-core").Page} page @param {() => Promise<unknown>} act
 * @returns {Promise<{ name: string, bytes: Buffer }>}
 */
export async function savedBy(page, act) {
  if (!downloads) {
    const [download] = await Promise.all([page.waitForEvent("download"), act()]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }
  // Firefox says nothing of a file that the page has made, but writes it: by another name at first, and beside a .part until it is whole.
  const folder = downloads;
  for (const old of readdirSync(folder)) rmSync(join(folder, old));
  await act();
  let before = "";
  for (const end = Date.now() + 30_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const names = readdirSync(folder);
    const name = names.find((name) => !names.includes(`${name}.part`) && !name.endsWith(".part"));
    const bytes = name && readIfThere(join(folder, name));
    const found = bytes && bytes.length > 0 ? `${bytes.length} ${name}` : "";
    if (bytes && found && found === before) return { name, bytes };
    before = found;
  }
  throw new Error("the page has saved no file within 30 s");
}

/** The bytes of a file; none where it was renamed after it was listed. @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
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
  if (IN_FIREFOX && contextOptions.colorScheme) await paint(page, contextOptions.colorScheme);
  const close = async () => {
    await context.close();
    await site.close();
  };
  return { page, trouble, url: site.url, close };
}
