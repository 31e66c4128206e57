// Checks every npm lock file: each package has its checksum, none comes from elsewhere, and no other than the known ones has an install
// script (none is ever run). Then asks the registry for advisories, where it answers.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

/** They have install scripts, and work without them. */
const KNOWN = ["core-js", "esbuild", "protobufjs"];
const windows = process.platform === "win32";

const wrong = [];
const notes = new Set();
const locks = execFileSync("git", ["ls-files", "*package-lock.json"], { encoding: "utf8" }).split("\n").filter(Boolean);
let count = 0;
for (const lock of locks) {
  for (const [path, entry] of Object.entries(JSON.parse(readFileSync(lock, "utf8")).packages)) {
    if (path === "") continue;
    count += 1;
    const name = path.split("node_modules/").at(-1);
    if (!/^sha512-/.test(entry.integrity ?? "")) wrong.push(`${lock}: ${name} has no sha512`);
    // Whoever installs chooses the registry, one for all: an address of its own would be another source.
    if (entry.resolved || entry.link) wrong.push(`${lock}: ${name} comes from ${entry.resolved}`);
    if (entry.hasInstallScript && !KNOWN.includes(name)) wrong.push(`${lock}: ${name} has an install script`);
  }
  audit(dirname(lock));
}
console.log(`${count} packages in ${locks.length} lock files`);
for (const note of notes) console.log(note);
for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;

/** @param {string} folder */
function audit(folder) {
  const args = ["audit", "--package-lock-only", "--audit-level=high", "--json"];
  const { stdout } = spawnSync("npm", args, { cwd: folder, encoding: "utf8", shell: windows });
  const { vulnerabilities, message } = JSON.parse(stdout || "{}");
  if (!vulnerabilities) return void notes.add(`npm's advisories were not asked: ${message ?? "the registry did not answer"}`);
  const bad = Object.values(vulnerabilities).filter(({ severity }) => ["high", "critical"].includes(severity));
  for (const { name, severity } of bad) wrong.push(`${folder}: ${name} has an advisory (${severity}); see \`npm audit\``);
}
