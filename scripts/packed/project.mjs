// Empty projects into which the packed packages are installed, as from a registry that had them.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pnpm, root } from "../setup.mjs";

const programs = join(root, "scripts/packed/programs");
const addon = "@qknorm/native-linux-x64-glibc";

/** The tarballs in a folder that `npm run pack` wrote, as versions in a package.json, by the names of their packages. */
export function tarballsIn(folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  return Object.fromEntries(
    files.map((name) => [
      name.replace(/^qknorm-/, "@qknorm/").replace(/-\d+\.\d+\.\d+.*$/, ""),
      `file:${join(folder, name)}`,
    ]),
  );
}

/**
 * Makes a project with our programs in it and installs packages; no script of any package runs. `without` leaves the
 * platform's addon out; `overrides`, for npm, are versions of what others depend on. Throws what the installer says.
 */
export function makeProject(
  folder,
  { installer, tarballs, packages, devDependencies = {}, overrides = {}, without = "" },
) {
  mkdirSync(folder, { recursive: true });
  cpSync(programs, folder, { recursive: true });
  const omitted = without === "addon";
  const dependencies = Object.fromEntries(packages.map((name) => [name, tarballs[name]]));
  const manifest =
    installer === "npm"
      ? // npm takes for a dependency what the project has of that name and version.
        {
          dependencies: omit(tarballs, addon),
          optionalDependencies: { [addon]: tarballs[addon] },
          overrides,
        }
      : { dependencies, pnpm: { overrides: tarballs } };
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module", devDependencies, ...manifest }),
  );
  if (installer === "npm") {
    const optional = omitted ? ["--omit=optional"] : [];
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
    run("npm", ["install", "--ignore-scripts", ...quiet, ...optional], folder);
  } else {
    const optional = omitted ? ["--no-optional"] : [];
    run("npx", ["-y", pnpm, "install", "--ignore-scripts", "--prefer-offline", ...optional], folder);
  }
}

/** Runs a command in a folder, without what this process was told of QK norm. Returns its output; throws when it fails. */
export function run(command, args, cwd, env = {}) {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(QKNORM_|NODE_|VITEST|npm_)/.test(name)),
  );
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...clean, ...env },
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed with ${status}:\n${stdout}${stderr}`);
  return { stdout, stderr };
}

function omit(record, name) {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
}
