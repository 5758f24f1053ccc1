import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { formatReport } from "./report.ts";
import { scan } from "./scan.ts";
import { excludedFolders, extensions, SourcePathError } from "./source-files.ts";

/** What a run printed, and its exit code: 0, or 2 for arguments it cannot use. */
export interface CommandResult {
  readonly exitCode: 0 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

const help = `qknorm-codemod [paths]     list lines that may belong to a copy of the QK-norm step

  paths      files or folders, the current folder if none is given
  --json     print one JSON object instead of text
  --version  print the version
  --help     print this

Reads ${extensions.join(" ")} files; does not enter ${excludedFolders.join(", ")}; skips generated files and lists them.
Candidates are found by name. Rewriting them is not there yet: this tool changes no file.
`;

/** Runs the command line `qknorm-codemod ...argv`. Never throws for bad arguments; they become exit code 2. */
export async function runCommand(argv: readonly string[]): Promise<CommandResult> {
  try {
    const { values, positionals } = parse(argv);
    if (values.help) return success(help);
    if (values.version) return success(`${await packageVersion()}\n`);
    const report = await scan(positionals.length > 0 ? positionals : ["."]);
    return success(values.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof SourcePathError)) throw error;
    return { exitCode: 2, stdout: "", stderr: `qknorm-codemod: ${error.message}\n` };
  }
}

class UsageError extends Error {
  override readonly name = "UsageError";
}

function parse(argv: readonly string[]) {
  if (argv.includes("--write")) throw new UsageError("rewriting is not there yet; run without --write");
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { json: flag, version: flag, help: { ...flag, short: "h" } },
    });
  } catch (cause) {
    const [sentence] = String(cause instanceof Error ? cause.message : cause).split(". ");
    throw new UsageError(`${sentence}; see --help`, { cause });
  }
}

function success(stdout: string): CommandResult {
  return { exitCode: 0, stdout, stderr: "" };
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
