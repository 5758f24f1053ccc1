/**
 * npm run bench:codemods: how fast the built command goes through a generated repository, beside ast-grep and jscodeshift in the
 * same run, and how time and memory grow with the number of files. Writes results/speed.json and the README's table.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { competitors } from "./competitors.ts";
import { writeGeneratedRepo } from "./generated-repo.ts";
import { measure } from "./measured-process.ts";
import type { SpeedResults, SpeedRow } from "./speed-results.ts";
import { writeSpeedTable } from "./speed-table.ts";

const size = { files: 1000, linesPerFile: 230, copies: 60 };
/** Files of a size that lets 100,000 of them be written in a minute. */
const small = { linesPerFile: 24, copiesPerThousand: 6 };
const counts = [10_000, 30_000, 100_000];
const rounds = 7;

const [own] = competitors;
const folder = mkdtempSync(join(tmpdir(), "qknorm-speed-"));
try {
  const { lines } = writeGeneratedRepo(join(folder, "repo"), size);
  say(`${size.files} files, ${lines} lines, ${size.copies} copies\n`);
  const rows = await compare(join(folder, "repo"), size.files);
  const scaling = [];
  for (const files of process.argv.includes("--no-scaling") ? [] : counts) scaling.push(await scale(files));
  const results: SpeedResults = {
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGB: Math.round(totalmem() / 1e9),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
    },
    repo: { ...size, lines },
    rounds,
    rows,
    scaling,
  };
  const place = fileURLToPath(new URL("results/speed.json", import.meta.url));
  mkdirSync(fileURLToPath(new URL("results", import.meta.url)), { recursive: true });
  writeFileSync(place, `${JSON.stringify(results, null, 2)}\n`);
  writeSpeedTable();
} finally {
  rmSync(folder, { recursive: true });
}

/** The median of several rounds, in each of which every program has its turn; the slow one in fewer. */
async function compare(repo: string, files: number): Promise<readonly SpeedRow[]> {
  const runs = competitors.map(() => [] as { seconds: number; peakMB: number | undefined }[]);
  const found = competitors.map(() => 0);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { name, command, args, found: count }] of competitors.entries()) {
      if (name === "jscodeshift" && round > 1) continue;
      const { seconds, peakMB, stdout } = await measure(command, args(repo));
      runs[i]!.push({ seconds, peakMB });
      found[i] = count(stdout);
    }
  }
  return competitors.map(({ name, does }, i) => {
    const seconds = median(runs[i]!.map((run) => run.seconds));
    const peakMB = Math.max(...runs[i]!.map((run) => run.peakMB ?? Number.NaN));
    say(
      `${name.padEnd(24)} ${(files / seconds).toFixed(0).padStart(6)} files/s ${peakMB.toFixed(0).padStart(5)} MB  ${found[i]} found\n`,
    );
    return { name, does, seconds, filesPerSecond: files / seconds, peakMB, found: found[i]! };
  });
}

async function scale(files: number) {
  const repo = join(folder, `scale-${files}`);
  const copies = (files / 1000) * small.copiesPerThousand;
  const { lines } = writeGeneratedRepo(repo, { files, linesPerFile: small.linesPerFile, copies });
  const { seconds, peakMB } = await measure(own!.command, own!.args(repo));
  rmSync(repo, { recursive: true });
  say(
    `${String(files).padStart(7)} small files ${(files / seconds).toFixed(0).padStart(12)} files/s ${peakMB?.toFixed(0).padStart(5)} MB\n`,
  );
  return { files, lines, copies, seconds, peakMB };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function say(text: string): void {
  process.stdout.write(text);
}
