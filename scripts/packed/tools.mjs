// What looks at the packages from outside: linters of packages, and compilers that read their types.
import { join } from "node:path";
import { root } from "../setup.mjs";
import { install } from "./install.mjs";

const folder = join(root, ".qknorm", "package-tools");
const compilers = {
  5.4: "npm:typescript@5.4.5",
  5.6: "npm:typescript@5.6.3",
  5.9: "npm:typescript@5.9.3",
  "6.0": "npm:typescript@6.0.3",
  "7.0": "npm:typescript@7.0.2",
};
const alias = (version) => `typescript-${version}`;

/** The versions of TypeScript whose users are served. */
export const typescripts = Object.keys(compilers).sort();

/** Installs what is missing of them. */
export function installTools() {
  const aliases = Object.fromEntries(
    Object.entries(compilers).map(([version, source]) => [alias(version), source]),
  );
  install(folder, { publint: "0.3.25", "@arethetypeswrong/cli": "0.18.5", ...aliases });
}

/** The command of a version of TypeScript. */
export function tsc(version) {
  return join(folder, "node_modules", alias(version), "bin", "tsc");
}

/** The command of a linter. */
export function linter(name) {
  return join(folder, "node_modules", ".bin", name);
}
