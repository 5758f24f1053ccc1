import { execFileSync, spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const pythonFixtures = fileURLToPath(new URL("../fixtures/python/", import.meta.url));

/** A Python 3 of this machine, or undefined: then what models compute cannot be compared. */
export const python = ["python3", "python"].find(
  (name) => spawnSync(name, ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]).status === 0,
);

/** Copies the package of the fixtures to `folder`, its layers and its helper only. Gives the folder for models. */
export function engineWithoutModels(folder: string): string {
  cpSync(join(pythonFixtures, "keep", "engine"), join(folder, "engine"), {
    recursive: true,
    filter: (path) => !/[\\/]models[\\/](?!__init__|common)/.test(path),
  });
  return join(folder, "engine", "models");
}

/** What every attention module under `tree` puts out, one line a module, every bit of it. See `stand-in/run.py`. */
export function outputsOf(tree: string): readonly string[] {
  const output = execFileSync(python ?? "python3", [`${pythonFixtures}stand-in/run.py`, tree], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return output.trim().split(/\r?\n/);
}
