// Checks every source's syntax and puts it into dist, with the version beside it.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = join(here, "dist");
const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const name of readdirSync(join(here, "src")).sort()) {
  execFileSync(process.execPath, ["--check", join(here, "src", name)], { stdio: "inherit" });
  copyFileSync(join(here, "src", name), join(dist, name));
}
writeFileSync(join(dist, "version.js"), `export const version = ${JSON.stringify(version)};\n`);
// Without this, Node would read dist/*.js as CommonJS where package.json is not beside it.
writeFileSync(join(dist, "package.json"), '{ "type": "module" }\n');
console.log(`built dist/index.js, version ${version}`);
