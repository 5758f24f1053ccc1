import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { folder } from "../folder.ts";

type HostTimes = Record<string, number>;

/**
 * Microseconds of the host for one call of `applyQkNorm`, and what it is made of; measured by the tensors' own
 * benchmark, in three processes of their own, of which the fastest counts: the processor of a shared machine has times
 * at which all takes twice as long. Throws with what it printed if it fails.
 */
export function measureHost(): HostTimes {
  const runs = [1, 2, 3].map(measureOnce);
  return runs.reduce((best, run) =>
    (run.applyQkNorm as number) < (best.applyQkNorm as number) ? run : best,
  );
}

function measureOnce(): HostTimes {
  const program = join(folder, "packages/tensor/bench/host-gpu.bench.mjs");
  const { stdout, stderr, status, error } = spawnSync(process.execPath, [program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${error?.message ?? stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}
