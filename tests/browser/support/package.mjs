// The npm package, as its users get it.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const OUT = join(ROOT, "target/npm");

/** Packs the built page and unpacks that. @returns {string} the folder that holds `package/` */
export function unpack() {
  execFileSync(process.execPath, [join(ROOT, "web/pack.mjs")], { stdio: "pipe" });
  const unpacked = join(OUT, "unpacked");
  mkdirSync(unpacked, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(OUT, "p-of-x/package.json"), "utf8"));
  execFileSync("tar", ["xzf", join(OUT, `p-of-x-${version}.tgz`), "-C", unpacked]);
  return unpacked;
}
