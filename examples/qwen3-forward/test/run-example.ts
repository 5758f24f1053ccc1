import { spawnSync } from "node:child_process";
import { join } from "node:path";

const main = join(import.meta.dirname, "../src/main.ts");

/** What a run of the example printed, and its exit code. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the example as its users do: a process of its own, with colours off. */
export function runExample(args: readonly string[], env: Record<string, string> = {}): Run {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), main, ...args],
    { encoding: "utf8", env: { ...process.env, NO_COLOR: "1", ...env } },
  );
  return { code: status, stdout, stderr };
}
