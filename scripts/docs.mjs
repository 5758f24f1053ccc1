// npm run docs: builds the site of docs/ with the API beside it into docs/.vitepress/dist, then looks into it with a browser
// where there is one (chromium, or what CHROMIUM names). What that takes is installed below docs/, by this alone.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, setUpPackages } from "./setup.mjs";

const site = join(root, "docs");
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

setUpPackages();
run("npx", ["-y", packageManager, "install", "--frozen-lockfile", "--ignore-workspace", "--silent"]);
run(process.execPath, [join(site, "node_modules/vitepress/bin/vitepress.js"), "build", "."]);
run(process.execPath, [join(site, "node_modules/typedoc/bin/typedoc")]);
// A link to the front page from every page of the API needs a name that a file server knows.
writeFileSync(join(site, ".vitepress/dist/.nojekyll"), "");
run(process.execPath, [join(site, "check-site.mjs")]);

function run(command, args) {
  const { status } = spawnSync(command, args, {
    cwd: site,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}
