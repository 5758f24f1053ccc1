import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ResultRow } from "./results.ts";

/**
 * Adds `torchCompile` and `torchRmsNorm` to the rows that are contiguous and warm, where this machine's python3 has PyTorch. Returns its version,
 * or why there is none. What does not fit into `seconds` is left out.
 */
export function measureTorch(rows: ResultRow[], seconds: number, logFolder: string): string {
  const script = fileURLToPath(new URL("./torch_rows.py", import.meta.url));
  const measured = rows.filter(({ layout, cache }) => layout === "contiguous" && cache === "warm");
  const input = JSON.stringify(measured.map(({ gqa, kvHeads, tokens }) => ({ gqa, kvHeads, tokens })));
  const { stdout, stderr, status, error } = spawnSync("python3", [script, String(seconds)], {
    input,
    encoding: "utf8",
    timeout: 1000 * (seconds + 60),
    maxBuffer: 2 ** 26,
  });
  writeFileSync(join(logFolder, "gpu-torch.log"), `${stdout ?? ""}${stderr ?? ""}`);
  let version: string | undefined;
  let found = 0;
  for (const line of (stdout ?? "").split("\n").filter((text) => text.startsWith("{"))) {
    const { row: index, torch, ...us } = JSON.parse(line);
    version ??= torch;
    const row = measured[index];
    if (row === undefined) continue;
    rows[rows.indexOf(row)] = { ...row, us: { ...row.us, ...us } };
    found += 1;
  }
  if (version === undefined) return `not measured: ${error?.message ?? lastLine(stderr)}`;
  return `${version}, ${found} of ${measured.length} rows${status === 0 ? "" : `, then ${lastLine(stderr)}`}`;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
