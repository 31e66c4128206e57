// What a person takes along: the model as ONNX, and a Python program that comes to the page's answer with it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, openSite, savedBy } from "./support/browser.mjs";

// What `xtask` has installed from tests/referee/requirements.txt.
const { REFEREE: python } = process.env;

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

const MODELS = [
  { id: "binary-mnist-vae" },
  { id: "mnist-vae-2d" },
  { id: "mnist-transformer" },
  { id: "nouns-transformer" },
  { id: "mnist-diffusion" },
  { id: "mnist-gan", estimator: "discriminator’s ratio" },
];

for (const { id, estimator } of MODELS) {
  test(`${id}: the copied program says what the page says`, { skip: !python && "$REFEREE names no Python with onnxruntime: run `cargo xtask test --browser`" }, async () => {
    const context = { permissions: ["clipboard-read", "clipboard-write"], acceptDownloads: true };
    const { page, trouble, close } = await openSite(browser, { query: `?backend=cpu#v=1&room=ask&model=${id}&seed=7`, context });
    const folder = mkdtempSync(join(tmpdir(), "p-of-x-"));
    try {
      const copy = page.getByRole("button", { name: "Copy Python" });
      if (estimator) await page.getByLabel("Estimator").selectOption(estimator);
      await copy.click({ timeout: 60_000 });
      await page.getByText("The program was copied.").first().waitFor();
      const program = await page.evaluate(() => navigator.clipboard.readText());
      await page.getByText("About this model", { exact: true }).click();
      const saved = await savedBy(page, () => page.getByRole("button", { name: "Save as ONNX (.zip)" }).click());
      const archive = join(folder, saved.name);
      writeFileSync(archive, saved.bytes);
      execFileSync(/** @type {string} */ (python), ["-m", "zipfile", "-e", archive, folder]);
      const printed = execFileSync(/** @type {string} */ (python), ["-c", program], { cwd: folder, encoding: "utf8" });
      const said = /The page said: .*? ([−-]?[\d.]+) nats(?:.*± ([\d.]+))?/.exec(program);
      const found = /^(-?[\d.]+)(?: \+- ([\d.]+))? nats/.exec(printed);
      assert.ok(said && found, `${program.slice(0, 600)}\n${printed}`);
      const [here, there] = [said, found].map(([, value]) => Number(value.replace("−", "-")));
      const errors = [said[2], found[2]].map((text) => Number(text ?? 0));
      // Other noise: within four standard errors of the difference; and the page writes one decimal.
      const tolerance = 0.06 + 4 * Math.hypot(...errors);
      assert.ok(Math.abs(here - there) <= tolerance, `${here} on the page, ${there} in Python, tolerance ${tolerance}`);
      assert.deepEqual(trouble, []);
    } finally {
      rmSync(folder, { recursive: true });
      await close();
    }
  });
}
