// Tools from npm in folders of their own, so that who works here need not install them.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Installs these packages in a folder, unless it has these already; no script of any runs. Throws what npm says. */
export function install(folder, dependencies) {
  const manifest = JSON.stringify({ private: true, dependencies });
  const stamp = join(folder, "installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === manifest) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), manifest);
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
  const { status, stderr } = spawnSync("npm", args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${Object.keys(dependencies).join(", ")}: ${stderr}`);
  writeFileSync(stamp, manifest);
}
