// Makes the npm package from the built page: `cargo xtask pack`. The modules, the engine and the models of dist/ as they are, and types.

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = dirname(fileURLToPath(import.meta.url));
const root = join(web, "..");
const dist = join(root, "dist");
const out = join(root, "target/npm/p-of-x");
/** Of the page alone. */
const LEFT_OUT = [
  ...["index.html", "lab.html", "main.js", "lab-page.js", "playground.d.ts"],
  ...["service-worker.js", "keeper.js", "manifest.webmanifest", "icons"],
];

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const name of readdirSync(dist).filter((name) => !LEFT_OUT.includes(name) && extname(name) !== ".map")) {
  cpSync(join(dist, name), join(out, name), { recursive: true });
}
for (const name of ["README.md", "element.server.js"]) copyFileSync(join(web, "npm", name), join(out, name));
cpSync(join(web, "npm/examples"), join(out, "examples"), { recursive: true, filter: (path) => basename(path) !== "node_modules" });
const about = JSON.parse(readFileSync(join(web, "npm/package.json"), "utf8"));
writeFileSync(join(out, "package.json"), `${JSON.stringify({ ...about, version: version() }, null, 2)}\n`);
types();
const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", ".."], { cwd: out, encoding: "utf8", shell: process.platform === "win32" });
const [{ filename, files }] = JSON.parse(packed);
const { size } = statSync(join(out, "..", filename));
console.log(`target/npm/${filename}: ${files.length} files, ${(size / 1e6).toFixed(1)} MB`);

/** The workspace's. */
function version() {
  const found = /^version = "(.+)"$/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"));
  if (!found) throw new Error("Cargo.toml names no version");
  return found[1];
}

/** Those of the two modules of the API, made from their comments, and of the element. */
function types() {
  const folder = join(out, "types");
  const project = join(out, "tsconfig.json");
  const options = { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: join(web, "src"), rootDirs: [join(web, "src"), dist], outDir: folder };
  const include = ["p-of-x.js", "lab-api.js", "build.d.ts"].map((name) => join(web, "src", name));
  writeFileSync(project, JSON.stringify({ extends: join(web, "tsconfig.json"), compilerOptions: options, include }));
  execFileSync(process.execPath, [join(web, "node_modules/typescript/bin/tsc"), "--project", project], { stdio: "inherit" });
  rmSync(project);
  for (const name of ["protocol.d.ts", "estimate.d.ts", "card.d.ts"]) copyFileSync(join(web, "src", name), join(folder, name));
  copyFileSync(join(web, "npm/element.d.ts"), join(folder, "element.d.ts"));
}
