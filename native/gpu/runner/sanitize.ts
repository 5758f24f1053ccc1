// Runs sanitize-sample under compute-sanitizer's tools, each within a time limit, and tells what they found.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { folder } from "../folder.ts";
import { findSanitizer, foundSomething } from "./sanitizer.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    log: { type: "string", default: "gpu-sanitize.log" },
    /** Seconds for one tool. */
    limit: { type: "string", default: "100" },
  },
});
const sample = join(folder, "native/gpu/runner/sanitize-sample.mjs");
const tools = positionals.length > 0 ? positionals : ["memcheck", "racecheck", "initcheck", "synccheck"];
const counts = { passed: 0, failed: 0 };
let log = "";

const sanitizer = findSanitizer();
if (sanitizer === undefined) {
  say("compute-sanitizer is not on this machine (it comes with the CUDA toolkit): nothing was checked");
  process.exitCode = 1;
} else {
  for (const tool of tools) check(sanitizer, tool);
  say(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
}
writeFileSync(values.log, log);

function check(path: string, tool: string): void {
  const start = Date.now();
  // Asking a kernel for its parameters until there are no more is how they are counted: that call fails by design.
  const quiet = tool === "memcheck" ? ["--report-api-errors", "no"] : [];
  const args = [
    "--tool",
    tool,
    ...quiet,
    "--error-exitcode",
    String(foundSomething),
    process.execPath,
    sample,
  ];
  const { stdout, stderr, status, error } = spawnSync(path, args, {
    encoding: "utf8",
    timeout: 1000 * Number(values.limit),
    maxBuffer: 2 ** 26,
  });
  log += `---- ${tool}\n${stdout ?? ""}${stderr ?? ""}\n`;
  const samples = (stdout ?? "").split("\n").filter((line) => line.startsWith("ok ")).length;
  const clean = status === 0 && samples > 0;
  counts[clean ? "passed" : "failed"] += 1;
  const summary = /=+ (?:ERROR|RACECHECK) SUMMARY: .*/.exec(stdout ?? "")?.[0] ?? "no summary";
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  say(
    `${clean ? "  ok  " : "FAILED"} ${tool}: ${summary}; ${samples} samples in ${seconds} s, exit ${status} ${error?.message ?? ""}`,
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
  log += `${line}\n`;
}
