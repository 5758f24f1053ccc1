import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeGeneratedRepo } from "../../bench/generated-repo.ts";
import { runCommand } from "../command/command.ts";
import type { SourceFile } from "../files/source-files.ts";
import { analyseInThreads } from "./analysis-threads.ts";
import type { FileOutcome } from "./file-analysis.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qknorm-threads-"));
  writeGeneratedRepo(folder, { files: 150, linesPerFile: 40, copies: 20 });
  writeFileSync(join(folder, "src/broken.ts"), "q = this.qNorm.forward(q;");
  writeFileSync(join(folder, "src/binary.ts"), "\0");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The command as a process of its own, since threads load TypeScript only in a process that does. */
function reportOf(...args: readonly string[]): unknown {
  const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
  const loader = ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx")];
  const report = JSON.parse(
    execFileSync(process.execPath, [...loader, cli, folder, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  );
  return { ...report, summary: { ...report.summary, ms: 0 } };
}

describe("--concurrency", () => {
  it("gives the report of one thread, in the same order", () => {
    const alone = reportOf("--json", "--concurrency", "1");
    expect(alone).toMatchObject({ summary: { candidates: expect.any(Number) } });
    expect(reportOf("--json", "--concurrency", "3")).toEqual(alone);
  });

  it.each(["0", "2.5", "many", "1000"])("refuses %s threads", async (count) => {
    expect(await runCommand([folder, "--concurrency", count])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("from 1 to 64"),
    });
  });
});

describe("a thread that dies", () => {
  const sources: readonly SourceFile[] = Array.from({ length: 100 }, (_, i) => ({
    path: `${i}.ts`,
    language: "typescript",
  }));
  const options = { paths: [], profiles: [], prefilter: true, assumeHelper: false };
  /** Answers each file with its number, and dies in the given way over file 40. */
  const script = (death: string) =>
    new URL(
      `data:text/javascript,${encodeURIComponent(`
      import { parentPort, workerData } from "node:worker_threads";
      parentPort.on("message", ({ start, end }) => {
        if (start <= 40 && 40 < end) ${death};
        parentPort.postMessage(workerData.sources.slice(start, end).map((_, i) => ({ candidates: start + i })));
      });
      parentPort.postMessage("ready");`)}`,
    );

  it.each(["process.exit(3)", "throw new Error('out of memory')"])(
    "by %s loses no other file",
    async (death) => {
      const outcomes: FileOutcome[] = [];
      await analyseInThreads({
        options,
        sources,
        threads: 3,
        script: script(death),
        onOutcome: (index, outcome) => {
          expect(outcomes[index]).toBeUndefined();
          outcomes[index] = outcome;
        },
      });
      expect(outcomes).toHaveLength(100);
      expect(outcomes[40]!.error).toMatch(/its thread died: (?:it ended with code 3|out of memory)/);
      expect(outcomes.filter(({ error }) => error !== undefined)).toHaveLength(1);
      expect(outcomes.map(({ candidates }) => candidates)).toEqual(sources.map((_, i) => (i === 40 ? 0 : i)));
    },
  );

  it("before it is ready ends the run", async () => {
    const broken = new URL("data:text/javascript,throw new Error('no parser')");
    const run = analyseInThreads({ options, sources, threads: 2, script: broken, onOutcome: () => {} });
    await expect(run).rejects.toThrow("no parser");
  });
});
