// Chromium's compiler, Tint, refuses what naga lets pass. Every shader that the planner writes must be one of WebGPU.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { launch, openSite } from "./support/browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

test("every shader compiles in Chromium", async () => {
  const printed = execFileSync("cargo", ["run", "--quiet", "--package", "conformance", "--example", "shaders"], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  const shaders = printed.split("\0").filter(Boolean);
  assert.ok(shaders.length > 200, `${shaders.length} shaders`);
  const { page, close } = await openSite(browser);
  const { compiled, refused, features } = await page.evaluate(compile, shaders);
  await close();
  assert.deepEqual(refused, []);
  // A software adapter has no f16; where there is one, those shaders are compiled too.
  const needed = features.includes("shader-f16") ? shaders.length : shaders.filter((s) => !s.includes("enable f16")).length;
  assert.equal(compiled, needed);
});

/** Runs in the browser. @param {string[]} shaders */
async function compile(shaders) {
  const adapter = await navigator.gpu.requestAdapter();
  const features = [...adapter.features].filter((name) => name === "shader-f16");
  const device = await adapter.requestDevice({ requiredFeatures: features });
  const refused = [];
  let compiled = 0;
  for (const code of shaders) {
    if (code.includes("enable f16") && !features.length) continue;
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(({ type }) => type === "error");
    if (errors.length) refused.push({ message: errors[0].message, line: errors[0].lineNum, code });
    else compiled++;
  }
  return { compiled, refused, features };
}
