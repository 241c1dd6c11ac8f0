// Makes ../vendor of the packages of package-lock.json: `make vendor`. The same packages give the same bytes.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = process.argv[2] ?? "../vendor";
const lock = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
const names = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies).sort();

rmSync(out, { recursive: true, force: true });
mkdirSync(`${out}/LICENSES`, { recursive: true });
for (const entry of readdirSync("entries")) {
  await build({
    entryPoints: [`entries/${entry}`], outfile: `${out}/${entry}`,
    bundle: true, minify: true, format: "esm", target: "es2022", legalComments: "none",
  });
}
for (const name of names) {
  // One of them ships no text of its licence; its package.json names it.
  const licence = [`node_modules/${name}/LICENSE`, `licences/${name}.txt`].find(existsSync);
  if (!licence) throw new Error(`${name} has no LICENSE: put its text into licences/${name}.txt`);
  cpSync(licence, `${out}/LICENSES/${name.replace("/", "-")}.txt`);
}
const sha256 = (file) => createHash("sha256").update(readFileSync(`${out}/${file}`)).digest("hex");
writeFileSync(`${out}/vendor.lock`, JSON.stringify({
  packages: names.map((name) => {
    const { version, license, integrity } = lock[`node_modules/${name}`];
    return { name, version, license, integrity };
  }),
  files: Object.fromEntries(readdirSync("entries").sort().map((file) => [file, sha256(file)])),
}, null, 2) + "\n");
