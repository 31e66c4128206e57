// What can be told without running anything: the HTML of the pages, and the links of the documents.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { HtmlValidate } from "html-validate";
import { DIST } from "./support/site.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("the HTML of all pages is valid and accessible, as far as it is written down", async () => {
  const validator = new HtmlValidate({ extends: ["html-validate:standard", "html-validate:a11y"] });
  for (const page of ["index.html", "lab.html", "embed.html"]) {
    const { results } = await validator.validateString(readFileSync(join(DIST, page), "utf8"));
    const found = results.flatMap(({ messages }) => messages.map(({ ruleId, line, message }) => `${page}:${line} ${ruleId}: ${message}`));
    assert.deepEqual(found, []);
  }
});

test("documents link to files and headings that are there", () => {
  for (const document of ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "web/npm/README.md"]) {
    const text = readFileSync(join(ROOT, document), "utf8");
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target).filter((target) => !/^(https?|mailto):/.test(target));
    for (const target of targets) {
      const [file, heading] = target.split("#");
      const path = file ? join(ROOT, dirname(document), file) : join(ROOT, document);
      assert.ok(existsSync(path), `${document} links to ${target}`);
      if (heading) assert.ok(anchors(readFileSync(path, "utf8")).includes(heading), `${document} links to ${target}`);
    }
  }
});

/** The anchors of headings, as GitHub makes them. @param {string} text */
function anchors(text) {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}
