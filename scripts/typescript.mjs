// Runs a TypeScript file of the workspace from source: no build, every @qknorm package resolved to its src.
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { root } from "./setup.mjs";

/** Runs `file` (from the root) and returns its exit code. Relative paths in `args` mean the caller's folder. */
export function runTypeScript(file, args, options = {}) {
  // Ctrl-C reaches the program as well, and what it means is the program's to say: a chat goes on after it.
  process.once("SIGINT", () => {});
  const { status, signal } = spawnSync(
    process.execPath,
    ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), join(root, file), ...args],
    { stdio: "inherit", cwd: process.env.INIT_CWD ?? process.cwd(), ...options },
  );
  return signal === null ? (status ?? 1) : 128 + constants.signals[signal];
}
