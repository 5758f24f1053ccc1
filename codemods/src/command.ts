import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import ignore from "ignore";
import { loadProfiles } from "./config.ts";
import { explain } from "./explain.ts";
import { describeFailure } from "./failure.ts";
import { changedSince, dirtyFiles, ignoredBy } from "./git.ts";
import { type CommandOptions, help, parseOptions, UsageError } from "./options.ts";
import { patchOf } from "./patch.ts";
import { formatReport } from "./report.ts";
import { jsonReport } from "./report-json.ts";
import { type RunResult, run } from "./run.ts";
import { listSourceFiles, SourcePathError } from "./source-files.ts";
import { writeResult } from "./write-files.ts";

/** What a run printed, and its exit code; see the help for what the codes mean. */
export interface CommandResult {
  readonly exitCode: 0 | 1 | 2 | 3;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line `qknorm-codemod ...argv`. Never throws for bad arguments; they become exit code 2. */
export async function runCommand(
  argv: readonly string[],
  { color = false }: { readonly color?: boolean } = {},
): Promise<CommandResult> {
  try {
    const options = parseOptions(argv);
    if (options.help) return success(help);
    if (options.version) return success(`${await packageVersion()}\n`);
    return await execute(options, color);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof SourcePathError)) throw error;
    return { exitCode: 2, stdout: "", stderr: `qknorm-codemod: ${error.message}\n` };
  }
}

async function execute(options: CommandOptions, color: boolean): Promise<CommandResult> {
  const { paths, mode, write } = options;
  if (write && !options.allowDirty) refuseDirtyTree(paths);
  const profiles = loadProfiles(options.profile, options.config, options.explain ?? paths[0]!);
  if (options.explain !== undefined) return success(explain(options.explain, profiles));
  const accepts = await filterOf(options);
  const planned = await run({ ...options, profiles, accepts });
  const result = write ? await applied(planned) : planned;
  if (options.patch !== undefined) await writeFile(options.patch, patchOf(planned.files));
  const exitCode = exitCodeOf(result, options);
  const stderr = complaints(result);
  if (mode === "json")
    return { exitCode, stdout: `${JSON.stringify(jsonReport(result), null, 2)}\n`, stderr };
  if (mode === "diff") return { exitCode, stdout: patchOf(result.files), stderr };
  return { exitCode, stdout: formatReport(result, { color, written: write }), stderr: "" };
}

/** Asked before anything else is done: what is written should be all that `git diff` shows afterwards. */
function refuseDirtyTree(paths: readonly string[]): void {
  const dirty = dirtyFiles(paths);
  if (dirty === 0) return;
  const files = `${dirty} changed or untracked ${dirty === 1 ? "file" : "files"}`;
  throw new UsageError(`git shows ${files}; commit or stash them, or pass --allow-dirty`);
}

/** What went beside the report, for formats that have no place for it. */
function complaints({ skipped, errors }: RunResult): string {
  const lines = [
    ...skipped.map(({ path, reason }) => `${path}: skipped: ${reason}`),
    ...errors.map(({ path, message }) => `${path}: ${message}`),
  ];
  return lines.map((line) => `qknorm-codemod: ${line}\n`).join("");
}

async function applied(planned: RunResult): Promise<RunResult> {
  const errors = [...planned.errors];
  for (const file of planned.files) {
    try {
      await writeResult(file);
    } catch (error) {
      errors.push({ path: file.path, message: describeFailure(error) });
    }
  }
  return { ...planned, errors };
}

function exitCodeOf(
  { files, errors }: RunResult,
  { check, strict }: CommandOptions,
): CommandResult["exitCode"] {
  if (errors.length > 0) return 2;
  if (check && files.some(({ after }) => after !== undefined)) return 1;
  return strict && files.some(({ findings }) => findings.some(({ kind }) => kind === "refused")) ? 3 : 0;
}

async function filterOf({
  paths,
  include,
  exclude,
  since,
}: CommandOptions): Promise<(path: string) => boolean> {
  const all = (await listSourceFiles(paths)).map(({ path }) => path);
  const ignored = ignoredBy(paths[0]!, all);
  const changed = since === undefined ? undefined : changedSince(since, paths[0]!);
  const wanted = include.length > 0 ? ignore().add([...include]) : undefined;
  const unwanted = ignore().add([...exclude]);
  return (path) => {
    const name = path.replace(/^(?:\.{0,2}\/)+/, "");
    if (ignored.has(resolve(path)) && !paths.includes(path)) return false;
    if (changed?.has(resolve(path)) === false) return false;
    return wanted?.ignores(name) !== false && !unwanted.ignores(name);
  };
}

function success(stdout: string): CommandResult {
  return { exitCode: 0, stdout, stderr: "" };
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
