// Runs the test files of the portable folder, each in its own process and within a time limit: a crash or a hang costs
// one file, not the run. Ends with "N passed, N failed" and a log of everything.
import { type ChildProcess, fork } from "node:child_process";
import { appendFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { examine } from "../../src/index.ts";
import { folder } from "../folder.ts";
import type { TestOutcome, TestStart } from "./run-file.ts";
import { findSanitizer, foundSomething } from "./sanitizer.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    log: { type: "string", default: "gpu-test.log" },
    /** Seconds for one file. */
    limit: { type: "string", default: "180" },
    /** Files at a time: most of what they do is to compile kernels on the host. */
    jobs: { type: "string", default: "4" },
    name: { type: "string" },
    /** A tool of compute-sanitizer, under which each file runs. */
    under: { type: "string" },
  },
});
/** It takes all the memory of the device, which the others would miss. */
const alone = /device\.gpu\.test/;
const counts = { pass: 0, fail: 0, skip: 0 };
/** The files that run. */
const children = new Set<ChildProcess>();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => end(signal));
writeFileSync(values.log, "");

const cuda = examine().providers.find(({ name }) => name === "cuda");
if (cuda?.ready !== true) say(`NO GPU: ${cuda?.because}; every test that needs one is skipped`);
const files = testFiles();
for (const file of files.filter((path) => alone.test(path))) await runFile(file);
const waiting = files.filter((path) => !alone.test(path));
await Promise.all(Array.from({ length: Number(values.jobs) }, runWaiting));
const skipped = counts.skip > 0 ? `, ${counts.skip} skipped` : "";
say(`${counts.pass} passed, ${counts.fail} failed${skipped}`);
process.exitCode = counts.fail === 0 && cuda?.ready === true ? 0 : 1;

function testFiles(): string[] {
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const wanted = (path: string) =>
    positionals.length === 0 || positionals.some((part) => path.includes(part));
  return all.filter((path) => path.endsWith(".test.mjs") && wanted(path)).sort();
}

async function runWaiting(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await runFile(file);
}

/** Says all that a file has to say once it is done: files that run at the same time do not mix their lines. */
async function runFile(file: string): Promise<void> {
  const lines = ["", file];
  let [running, heard] = ["", 0];
  const started = Date.now();
  const child = start(file);
  children.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => lines.push(text.trimEnd()));
  }
  child.on("message", (message: TestOutcome | TestStart) => {
    if ("starting" in message) {
      running = message.starting;
      return;
    }
    running = "";
    heard += 1;
    lines.push(...told(message));
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 1000 * Number(values.limit));
  const [status, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.on("close", (...ended) => done(ended)),
  );
  clearTimeout(timer);
  children.delete(child);
  if (status === 0 && heard === 0) {
    lines.push(...told({ name: file, state: "fail", milliseconds: 0, errors: ["it told of no test"] }));
  }
  if (status !== 0) {
    const how =
      signal === "SIGKILL" ? `was stopped after ${values.limit} s` : `ended with ${signal ?? status}`;
    lines.push(...told({ name: running, state: "fail", milliseconds: 0, errors: [`the process ${how}`] }));
  }
  lines[1] += ` (${((Date.now() - started) / 1000).toFixed(1)} s)`;
  say(lines.join("\n"));
}

/** Ends every file that runs, then this process as the signal would have. */
async function end(signal: NodeJS.Signals): Promise<void> {
  const ended = [...children].map((child) => new Promise((done) => child.once("exit", done)));
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(ended);
  process.kill(process.pid, signal);
}

/** Node, or what runs it. */
function runnerOfFiles(): { execPath?: string; execArgv?: string[] } {
  if (values.under === undefined) return {};
  const execPath = findSanitizer();
  if (execPath === undefined) throw new Error("compute-sanitizer is not on this machine");
  const quiet = values.under === "memcheck" ? ["--report-api-errors", "no"] : [];
  const ends = ["--error-exitcode", String(foundSomething)];
  return { execPath, execArgv: ["--tool", values.under, ...quiet, ...ends, process.execPath] };
}

function start(file: string): ChildProcess {
  const args = [join(folder, file), ...(values.name === undefined ? [] : [values.name])];
  return fork(join(folder, "native/gpu/runner/run-file.mjs"), args, {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...process.env, NO_COLOR: "1" },
    ...runnerOfFiles(),
  });
}

/** Counts an outcome; its lines. */
function told({ name, state, milliseconds, errors }: TestOutcome): string[] {
  counts[state] += 1;
  if (state === "skip" && cuda?.ready !== true) return []; // the reason is the same for all, and told
  const mark = { pass: "  ok  ", fail: "FAILED", skip: " skip " }[state];
  const time = milliseconds > 300 ? ` (${Math.round(milliseconds)} ms)` : "";
  const title = name.replace(/^.*?\.test\.mjs > /, "");
  return [`${mark} ${title}${time}`, ...errors.map((error) => error.replace(/^/gm, "         "))];
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
  appendFileSync(values.log, `${text}\n`);
}
