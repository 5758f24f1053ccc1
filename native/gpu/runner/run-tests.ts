// Runs the test files of the portable folder one after the other, each in its own process and within a time limit: a
// crash or a hang costs one file, not the run. Ends with "N passed, N failed" and a log of everything.
import { fork } from "node:child_process";
import { createWriteStream, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { examine } from "../../src/index.ts";
import { folder } from "../folder.ts";
import type { TestOutcome, TestStart } from "./run-file.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    log: { type: "string", default: "gpu-test.log" },
    /** Seconds for one file. */
    limit: { type: "string", default: "180" },
    name: { type: "string" },
  },
});
const counts = { pass: 0, fail: 0, skip: 0 };
const log = createWriteStream(resolve(values.log));

const cuda = examine().providers.find(({ name }) => name === "cuda");
if (cuda?.ready !== true) say(`NO GPU: ${cuda?.because}; every test that needs one is skipped`);
for (const file of testFiles()) await runFile(file);
const skipped = counts.skip > 0 ? `, ${counts.skip} skipped` : "";
say(`${counts.pass} passed, ${counts.fail} failed${skipped}`);
process.exitCode = counts.fail === 0 && cuda?.ready === true ? 0 : 1;

function testFiles(): string[] {
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const wanted = (path: string) =>
    positionals.length === 0 || positionals.some((part) => path.includes(part));
  return all.filter((path) => path.endsWith(".test.mjs") && wanted(path)).sort();
}

async function runFile(file: string): Promise<void> {
  say(`\n${relative(folder, join(folder, file))}`);
  let running = "";
  const args = [join(folder, file), ...(values.name === undefined ? [] : [values.name])];
  const child = fork(join(folder, "native/gpu/runner/run-file.mjs"), args, {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => say(text.trimEnd()));
  }
  child.on("message", (message: TestOutcome | TestStart) => {
    if ("starting" in message) {
      running = message.starting;
      return;
    }
    running = "";
    tally(message);
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 1000 * Number(values.limit));
  const [status, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.on("close", (...ended) => done(ended)),
  );
  clearTimeout(timer);
  if (status === 0) return;
  const how = signal === "SIGKILL" ? `was stopped after ${values.limit} s` : `ended with ${signal ?? status}`;
  tally({ name: `${file}: ${running}`, state: "fail", milliseconds: 0, errors: [`the process ${how}`] });
}

function tally({ name, state, milliseconds, errors }: TestOutcome): void {
  counts[state] += 1;
  if (state === "skip" && cuda?.ready !== true) return; // the reason is the same for all, and told
  const mark = { pass: "  ok  ", fail: "FAILED", skip: " skip " }[state];
  say(
    `${mark} ${name.replace(/^.*?\.test\.mjs > /, "")}${milliseconds > 300 ? ` (${Math.round(milliseconds)} ms)` : ""}`,
  );
  for (const error of errors) say(error.replace(/^/gm, "         "));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
  log.write(`${line}\n`);
}
