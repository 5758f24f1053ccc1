/**
 * What a run over real trees costs: processor time of the built command on one thread, wall time of one thread and of two, memory.
 *
 *     npx tsx --conditions=@qknorm/source codemods/bench/real-trees.ts NAME=PATH...
 *
 * A PATH is a folder that a wheel was unpacked in, or one that holds checkouts. Build the command before: `node scripts/build.mjs`.
 * Writes results/trees.json and the README's table.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { anyNorm } from "./any-norm.ts";
import { measure } from "./measured-process.ts";
import { type TreeResults, type TreeRow, writeTreeTable } from "./tree-table.ts";

const command = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qknorm-trees-"));
try {
  const config = join(folder, "qknorm-codemod.json");
  writeFileSync(config, JSON.stringify(anyNorm));
  const rows: TreeRow[] = [];
  for (const tree of process.argv.slice(2)) {
    const [name, path] = tree.split("=") as [string, string];
    rows.push(await rowOf(name, path, config));
  }
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  const results: TreeResults = { machine, rows };
  const place = fileURLToPath(new URL("results/trees.json", import.meta.url));
  writeFileSync(place, `${JSON.stringify(results, null, 2)}\n`);
  writeTreeTable();
} finally {
  rmSync(folder, { recursive: true });
}

async function rowOf(name: string, path: string, config: string): Promise<TreeRow> {
  const args = [command, path, "--config", config, "--assume-helper", "--json"];
  const alone = await measure(process.execPath, [...args, "--concurrency", "1"]);
  const both = await measure(process.execPath, [...args, "--concurrency", "2"]);
  const { summary } = JSON.parse(alone.stdout) as {
    readonly summary: Record<"files" | "replaced" | "refused", number>;
  };
  const row = {
    name,
    files: summary.files,
    found: summary.replaced + summary.refused,
    processorSeconds: alone.processorSeconds,
    seconds: alone.seconds,
    secondsOnTwo: both.seconds,
    peakMB: alone.peakMB,
  };
  process.stderr.write(`${JSON.stringify(row)}\n`);
  return row;
}
