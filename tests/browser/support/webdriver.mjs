// Stock browsers other than Chromium, driven by WebDriver.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Builder, Capabilities } from "selenium-webdriver";
import firefox from "selenium-webdriver/firefox.js";
import { DriverService } from "selenium-webdriver/remote/index.js";

/** @typedef {{ driver: import("selenium-webdriver").WebDriver, close: () => Promise<unknown> }} Driven */

/** @returns {Promise<Driven>} */
export async function openFirefox() {
  const options = new firefox.Options().setBinary(process.env.FIREFOX).addArguments("-headless").setPreference("dom.webgpu.enabled", false);
  const service = new firefox.ServiceBuilder(process.env.GECKODRIVER);
  const driver = await new Builder().forBrowser("firefox").setFirefoxOptions(options).setFirefoxService(service).build();
  return { driver, close: () => driver.quit() };
}

/** WebKitGTK's own small browser, on a display that nobody sees. @returns {Promise<Driven>} */
export async function openWebKit() {
  const display = spawn("Xvfb", ["-displayfd", "1", "-nolisten", "tcp"], { stdio: ["ignore", "pipe", "ignore"] });
  const [number] = await once(display.stdout, "data");
  // In the language C, which a machine without one has, uPlot fails: Intl knows no such language.
  const env = { ...process.env, LC_ALL: "", LANG: "en_US.UTF-8", DISPLAY: `:${String(number).trim()}` };
  const service = new DriverService.Builder(process.env.WEBKIT).setLoopback(true).setEnvironment(env).build();
  const options = { binary: process.env.MINIBROWSER, args: ["--automation"] };
  const capabilities = new Capabilities({ browserName: "MiniBrowser", "webkitgtk:browserOptions": options });
  const driver = await new Builder().usingServer(await service.start()).withCapabilities(capabilities).build();
  const close = async () => {
    await driver.quit();
    await service.kill();
    display.kill();
  };
  return { driver, close };
}
