import { writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { collapseClasses } from "../collapse/collapse-classes.ts";
import { markFiles } from "../edits/mark.ts";
import { patchOf } from "../edits/patch.ts";
import { type WrittenResult, writeFiles } from "../edits/write-files.ts";
import { runWithEmittedHelper, withoutIdleHelper } from "../emit/emit-helper.ts";
import { describeFailure } from "../failures/failure.ts";
import { UsageError } from "../failures/usage-error.ts";
import { fileFilter } from "../files/file-filter.ts";
import { dirtyFiles } from "../files/git.ts";
import { languageOf, SourcePathError } from "../files/source-files.ts";
import { githubAnnotations } from "../formats/github.ts";
import { htmlPage } from "../formats/html.ts";
import { jsonReport } from "../formats/json.ts";
import { printable } from "../formats/paint-patch.ts";
import { formatReport, partedMessage } from "../formats/report.ts";
import { sarifLog } from "../formats/sarif.ts";
import type { Terminal } from "../formats/terminal.ts";
import { loadProfiles } from "../profiles/config.ts";
import type { Profile } from "../profiles/profile.ts";
import { eachAlone, type Replan, replanning } from "../run/replan.ts";
import { type RunOptions, type RunResult, run } from "../run/run.ts";
import { packageVersion } from "../version.ts";
import { explain } from "./explain.ts";
import { help } from "./help.ts";
import { askForEach } from "./interactive.ts";
import { type CommandOptions, parseOptions } from "./options.ts";
import { ProgressLine } from "./progress.ts";
import { runGiven } from "./stdin.ts";

/** What a run printed, and its exit code; see the help for what the codes mean. */
export interface CommandResult {
  readonly exitCode: 0 | 1 | 2 | 3;
  readonly stdout: string;
  readonly stderr: string;
}

const noTerminal: Terminal = {
  color: false,
  input: Readable.from([]),
  ask: () => {},
  progress: undefined,
};

/** Runs the command line `qknorm-codemod ...argv`. Never throws: what stops a run becomes exit code 2. */
export async function runCommand(
  argv: readonly string[],
  terminal: Terminal = noTerminal,
): Promise<CommandResult> {
  try {
    const options = parseOptions(argv);
    if (options.help) return success(help);
    if (options.version) return success(`${await packageVersion()}\n`);
    if (options.write && !options.allowDirty) refuseDirtyTree(options.paths);
    const firstPath = options.explain ?? options.stdinFilename ?? options.paths[0]!;
    const profiles = loadProfiles(options.profile, options.config, firstPath);
    if (options.explain !== undefined)
      return success(await explain(options.explain, profiles, options.types));
    if (options.stdinFilename !== undefined)
      return await executeGiven(options.stdinFilename, options, profiles, terminal);
    return await execute(options, profiles, terminal);
  } catch (error) {
    return { exitCode: 2, stdout: "", stderr: `qknorm-codemod: ${describeStop(error)}\n` };
  }
}

/** A sentence about what the user can change; for anything else, what somebody needs who mends this tool. */
function describeStop(error: unknown): string {
  if (error instanceof UsageError || error instanceof SourcePathError) return printable(error.message);
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a bug in the tool, please report it: ${detail}`;
}

/** Asked before anything else is done: what is written should be all that `git diff` shows afterwards. */
function refuseDirtyTree(paths: readonly string[]): void {
  const dirty = dirtyFiles(paths);
  if (dirty === 0) return;
  const files = `${dirty} changed or untracked ${dirty === 1 ? "file" : "files"}`;
  throw new UsageError(`git shows ${files}; commit or stash them, or pass --allow-dirty`);
}

async function execute(
  options: CommandOptions,
  profiles: readonly Profile[],
  terminal: Terminal,
): Promise<CommandResult> {
  const runOptions = { ...options, filter: fileFilter(options), profiles };
  const { emitHelper } = options;
  const { found, settled } = await withProgress(runOptions, terminal, async (request) =>
    emitHelper === undefined
      ? { found: await run(request), settled: request }
      : await runWithEmittedHelper(request, emitHelper),
  );
  const collapsed = options.collapseClasses ? await collapseClasses(found, settled) : found;
  const replan = replanning(settled);
  const chosen = options.interactive ? await askForEach(found, replan, terminal) : collapsed;
  const planned = withoutIdleHelper(options.mark ? await markFiles(chosen) : chosen);
  // Before the sources, so that a place which cannot be written to stops everything.
  if (options.patch !== undefined) await writeOutput("--patch", options.patch, patchOf(planned.files));
  if (options.html !== undefined) {
    const page = htmlPage(planned, {
      version: await packageVersion(),
      alone: await eachAlone(chosen, replan),
    });
    await writeOutput("--html", options.html, page);
  }
  const result = options.write ? await writeFiles(planned) : { ...planned, undo: undefined, parted: [] };
  return { ...(await print(result, options, replan, terminal)), exitCode: exitCodeOf(result, options) };
}

async function executeGiven(
  name: string,
  options: CommandOptions,
  profiles: readonly Profile[],
  { input }: Terminal,
): Promise<CommandResult> {
  const result = await runGiven(input, name, { ...options, profiles });
  const findings = result.files.flatMap((file) => file.findings);
  const told = findings.map(({ line, kind, symbol, message, reason }) => {
    const note = reason === undefined ? "" : ` [${reason}]`;
    return `${name}:${line}: ${kind === "replaced" ? "replaced" : "kept"}: ${symbol}: ${message}${note}\n`;
  });
  return {
    stdout: result.source,
    stderr: told.join("") + complaints(result),
    exitCode: exitCodeOf(result, options),
  };
}

async function withProgress<R>(
  options: RunOptions,
  { progress }: Terminal,
  work: (options: RunOptions) => Promise<R>,
): Promise<R> {
  if (progress === undefined) return work(options);
  const line = new ProgressLine(progress);
  try {
    return await work({ ...options, onProgress: (done) => line.update(done) });
  } finally {
    line.end();
  }
}

async function writeOutput(flag: string, path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (cause) {
    throw new UsageError(`${flag} ${path} cannot be written: ${describeFailure(cause)}`, { cause });
  }
}

type Printed = Pick<CommandResult, "stdout" | "stderr">;

async function print(
  result: WrittenResult,
  { output, write, length, emitHelper }: CommandOptions,
  replan: Replan,
  { color }: Terminal,
): Promise<Printed> {
  const stderr = complaints(result) + toldParted(result);
  switch (output) {
    case "json":
      return { stdout: printedJson(jsonReport(result)), stderr };
    case "sarif": {
      const log = sarifLog(result, {
        version: await packageVersion(),
        alone: await eachAlone(result, replan),
      });
      return { stdout: printedJson(log), stderr };
    }
    case "github":
      return { stdout: githubAnnotations(result), stderr };
    case "diff":
      return { stdout: patchOf(result.files), stderr };
    default: {
      const emitted = (emitHelper !== undefined && languageOf(emitHelper)) || null;
      return { stdout: formatReport(result, { color, written: write, length, emitted }), stderr: "" };
    }
  }
}

function printedJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** What went beside the report, for formats that have no place for it. */
function complaints({ skipped, errors }: RunResult): string {
  const lines = [
    ...skipped.map(({ path, reason }) => `${path}: skipped: ${reason}`),
    ...errors.map(({ path, message }) => `${path}: ${message}`),
  ];
  return lines.map((line) => `qknorm-codemod: ${printable(line)}\n`).join("");
}

function toldParted({ parted }: WrittenResult): string {
  return parted.map((one) => `qknorm-codemod: ${printable(one.path)}: ${partedMessage(one)}\n`).join("");
}

function exitCodeOf(
  { files, errors }: RunResult,
  { check, strict }: CommandOptions,
): CommandResult["exitCode"] {
  if (errors.length > 0) return 2;
  if (check && files.some(({ after }) => after !== undefined)) return 1;
  return strict && files.some(({ findings }) => findings.some(({ kind }) => kind === "refused")) ? 3 : 0;
}

function success(stdout: string): CommandResult {
  return { exitCode: 0, stdout, stderr: "" };
}
