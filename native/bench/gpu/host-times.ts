import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { folder } from "../../gpu/folder.ts";

/**
 * Microseconds of the host for one call of `applyQkNorm`, and what it is made of; measured by the tensors' own
 * benchmark, in a process of its own. Throws with what it printed if it fails.
 */
export function measureHost(): Record<string, number> {
  const program = join(folder, "packages/tensor/bench/host-gpu.bench.mjs");
  const { stdout, stderr, status, error } = spawnSync(process.execPath, [program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${error?.message ?? stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}
