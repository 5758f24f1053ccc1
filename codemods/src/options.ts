import { parseArgs } from "node:util";

/** The command line, parsed. */
export interface CommandOptions {
  readonly paths: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly mode: "report" | "write" | "check" | "diff" | "json" | "explain";
  readonly write: boolean;
  readonly strict: boolean;
  readonly prefilter: boolean;
  readonly assumeHelper: boolean;
  readonly allowDirty: boolean;
  readonly check: boolean;
  readonly profile: string | undefined;
  readonly config: string | undefined;
  readonly patch: string | undefined;
  readonly explain: string | undefined;
  readonly since: string | undefined;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Arguments or a configuration that cannot be used. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const help = `qknorm-codemod [paths]     find copies of the QK-norm step, replace the safe ones, explain the rest

  paths                 files or folders, the current folder if none is given

what to do (a dry run with a report and a diff if none is given)
  --write               rewrite the files; refuses in a dirty git tree
  --check               exit with 1 if something would change
  --diff                print a patch that \`git apply\` takes, and nothing else
  --patch FILE          write that patch to a file
  --json                print one JSON object (schema/report.schema.json)
  --explain FILE[:LINE] print the dataflow form and the findings of one file

what to look at
  --include GLOB        only these files (may be repeated; .gitignore syntax)
  --exclude GLOB        not these
  --since REV           only files that differ from a git revision
  --no-prefilter        analyse every file, not only those that name a norm of q or k

how
  --profile NAME        what the helper can do: qknorm (TypeScript), sglang (Python), or one of the configuration
  --config FILE         configuration; else the nearest qknorm-codemod.json above the first path
  --assume-helper       rewrite although the helper is not in the repository yet
  --allow-dirty         write although git shows changes
  --strict              exit with 3 if copies were refused

  --version, --help

Exit codes: 0 clean or applied, 1 would change (--check), 2 something went wrong, 3 refused copies left (--strict).
`;

export function parseOptions(argv: readonly string[]): CommandOptions {
  const { values, positionals } = parse(argv);
  const exclusive = (["write", "check", "diff", "json"] as const).filter((name) => values[name]);
  if (values.diff && exclusive.length > 1)
    throw new UsageError("--diff prints a patch and nothing else; pass it alone");
  if (values.write && values.check) throw new UsageError("--write and --check exclude each other");
  let mode: CommandOptions["mode"] = "report";
  if (values.explain !== undefined) mode = "explain";
  else if (values.json) mode = "json";
  else if (values.diff) mode = "diff";
  return {
    paths: positionals.length > 0 ? positionals : ["."],
    help: values.help,
    version: values.version,
    mode,
    write: values.write,
    check: values.check,
    strict: values.strict,
    prefilter: !values["no-prefilter"],
    assumeHelper: values["assume-helper"],
    allowDirty: values["allow-dirty"],
    profile: values.profile,
    config: values.config,
    patch: values.patch,
    explain: values.explain,
    since: values.since,
    include: values.include,
    exclude: values.exclude,
  };
}

function parse(argv: readonly string[]) {
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string" } as const;
  const list = { type: "string", multiple: true, default: [] as string[] } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        write: flag,
        check: flag,
        diff: flag,
        json: flag,
        strict: flag,
        "no-prefilter": flag,
        "assume-helper": flag,
        "allow-dirty": flag,
        version: flag,
        help: { ...flag, short: "h" },
        profile: text,
        config: text,
        patch: text,
        explain: text,
        since: text,
        include: list,
        exclude: list,
      },
    });
  } catch (cause) {
    const [sentence] = String(cause instanceof Error ? cause.message : cause).split(". ");
    throw new UsageError(`${sentence}; see --help`, { cause });
  }
}
