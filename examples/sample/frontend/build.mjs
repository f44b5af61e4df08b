// Puts src into dist: scripts, styles and the icon under names that carry their
// content's digest, and an index page that refers to those names.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const source = join(here, "src");
const dist = join(here, "dist");

mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) {
  if (name !== ".gitkeep") rmSync(join(dist, name), { recursive: true });
}
mkdirSync(join(dist, "assets"));

const rename = (text, names) =>
  Object.entries(names).reduce((all, [from, to]) => all.replaceAll(`./${from}`, to), text);

// What others import comes first, so that an importer's digest covers it.
const order = ["icon.svg", "style.css", "api.js", "view.js", "live.js", "main.js"];
const others = ["index.html", "version.json"];
const unlisted = readdirSync(source).filter((name) => !others.includes(name) && !order.includes(name));
if (unlisted.length) throw new Error(`build.mjs does not know where to put ${unlisted.join(", ")}`);

const names = {};
for (const name of order) {
  const content = rename(readFileSync(join(source, name), "utf8"), names);
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const extension = extname(name);
  const target = `${name.slice(0, -extension.length)}-${digest}${extension}`;
  writeFileSync(join(dist, "assets", target), content);
  names[name] = `/assets/${target}`;
}
// Who builds writes its version into this file first, as for Vikunja.
const { VERSION } = JSON.parse(readFileSync(join(source, "version.json"), "utf8"));
const page = readFileSync(join(source, "index.html"), "utf8").replaceAll("{{version}}", VERSION);
writeFileSync(join(dist, "index.html"), rename(page, names));
// Where Vikunja's packages would fetch browsers for tests.
for (const [what, skipped] of [
  ["Puppeteer", process.env.PUPPETEER_SKIP_DOWNLOAD === "true"],
  ["Cypress", process.env.CYPRESS_INSTALL_BINARY === "0"],
]) console.log(`${what}: ${skipped ? "no browser fetched" : "fetching a browser"}`);
console.log(`built ${Object.keys(names).length + 1} files into dist`);
