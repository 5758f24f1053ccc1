// Runs a TypeScript file of the workspace from source: no build, every @qknorm package resolved to its src.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { root } from "./setup.mjs";

/** What ends the program when this process alone is told to end. */
const passedOn = ["SIGTERM", "SIGHUP"];

/**
 * Runs `file` (from the root) and gives its exit code, 128 and the number of a signal that ended it. Relative paths in `args` mean
 * the caller's folder.
 */
export async function runTypeScript(file, args, options = {}) {
  const child = spawn(
    process.execPath,
    ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), join(root, file), ...args],
    { stdio: "inherit", cwd: process.env.INIT_CWD ?? process.cwd(), ...options },
  );
  // Ctrl-C reaches the program as well, and what it means is the program's to say: a chat goes on after it.
  process.on("SIGINT", ignore);
  const pass = (signal) => child.kill(signal);
  for (const signal of passedOn) process.on(signal, pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (status, signal) =>
        resolve(signal === null ? (status ?? 1) : 128 + constants.signals[signal]),
      );
    });
  } finally {
    process.off("SIGINT", ignore);
    for (const signal of passedOn) process.off(signal, pass);
  }
}

function ignore() {}
