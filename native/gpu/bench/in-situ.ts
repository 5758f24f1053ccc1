import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { InSituRow } from "./results.ts";

/**
 * The norms between a projection and RoPE, where this machine's python3 has PyTorch: microseconds per layer, `none`
 * without any norm. Throws with the script's last words if it measured nothing.
 */
export function measureInSitu(seconds: number, logFolder: string): InSituRow[] {
  const script = fileURLToPath(new URL("./in_situ.py", import.meta.url));
  const { stdout, stderr, error } = spawnSync("python3", [script, String(seconds)], {
    encoding: "utf8",
    timeout: 1000 * (seconds + 60),
  });
  writeFileSync(join(logFolder, "gpu-in-situ.log"), `${stdout ?? ""}${stderr ?? ""}`);
  const rows = (stdout ?? "").split("\n").filter((line) => line.startsWith("{") && line.includes("tokens"));
  if (rows.length === 0) throw new Error(error?.message ?? stderr.trim().split("\n").at(-1) ?? "");
  return rows.map((line) => JSON.parse(line));
}
