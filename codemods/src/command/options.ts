import { parseArgs } from "node:util";
import { UsageError } from "../failures/usage-error.ts";
import { extensions } from "../files/source-files.ts";
import type { TypeSource } from "../project/project.ts";

/** What standard output is for. */
export type Output = "report" | "json" | "sarif" | "github" | "diff" | "explain" | "source";

/** The command line, parsed; what contradicts itself has been refused. */
export interface CommandOptions {
  readonly paths: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly output: Output;
  readonly write: boolean;
  readonly interactive: boolean;
  readonly check: boolean;
  readonly strict: boolean;
  readonly mark: boolean;
  readonly prefilter: boolean;
  readonly assumeHelper: boolean;
  readonly types: TypeSource;
  readonly allowDirty: boolean;
  readonly profile: string | undefined;
  readonly config: string | undefined;
  readonly patch: string | undefined;
  readonly html: string | undefined;
  readonly emitHelper: string | undefined;
  readonly collapseClasses: boolean;
  /** How much the report tells. */
  readonly length: "all" | "folded";
  readonly explain: string | undefined;
  readonly since: string | undefined;
  /** Name of the source on standard input, under `--stdin`. */
  readonly stdinFilename: string | undefined;
  /** Threads that look at files. */
  readonly threads: number | undefined;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

const flag = { type: "boolean", default: false } as const;
const text = { type: "string" } as const;
const list = { type: "string", multiple: true, default: [] as string[] } as const;

/** Every flag; the help and the README name them all, which a test holds them to. */
export const flags = {
  write: flag,
  interactive: flag,
  check: flag,
  strict: flag,
  mark: flag,
  diff: flag,
  json: flag,
  sarif: flag,
  github: flag,
  stdin: flag,
  "no-prefilter": flag,
  types: flag,
  "assume-helper": flag,
  "allow-dirty": flag,
  "collapse-classes": flag,
  all: flag,
  version: flag,
  help: { ...flag, short: "h" },
  "stdin-filename": text,
  patch: text,
  html: text,
  "emit-helper": text,
  explain: text,
  since: text,
  profile: text,
  config: text,
  concurrency: text,
  include: list,
  exclude: list,
} as const;

const mostThreads = 64;

type Values = ReturnType<typeof parse>["values"];
type FlagName = keyof typeof flags;

const outputs = ["json", "sarif", "github", "diff", "explain", "stdin"] as const;

/** Pairs that contradict each other, and why. */
const conflicts: readonly (readonly [FlagName, readonly FlagName[], string])[] = [
  ["check", ["write", "interactive"], "a check writes nothing"],
  ["diff", ["write"], "a patch is printed instead of writing; `--patch FILE` does both"],
  ["sarif", ["write", "interactive"], "its fixes are for the files as they are"],
  ["sarif", ["collapse-classes"], "one class is the change of several files"],
  ["interactive", ["collapse-classes"], "one class is the change of several files"],
  ["interactive", outputs, "questions are asked on standard output"],
  [
    "explain",
    ["write", "check", "strict", "mark", "patch", "html", "since", "emit-helper", "collapse-classes"],
    "it only looks at one file",
  ],
  [
    "stdin",
    ["write", "patch", "html", "since", "include", "exclude", "emit-helper", "collapse-classes"],
    "the result of one source goes to standard output",
  ],
];

/** Throws `UsageError` for what is unknown, incomplete or contradicts itself. */
export function parseOptions(argv: readonly string[]): CommandOptions {
  const { values, positionals } = parse(argv);
  if (!values.help && !values.version) refuseContradictions(values, positionals);
  return {
    paths: positionals.length > 0 ? positionals : ["."],
    help: values.help,
    version: values.version,
    output: outputOf(values),
    write: values.write || values.interactive,
    interactive: values.interactive,
    check: values.check,
    strict: values.strict,
    mark: values.mark,
    prefilter: !values["no-prefilter"],
    assumeHelper: values["assume-helper"],
    types: values.types ? "checked" : "written",
    allowDirty: values["allow-dirty"],
    profile: values.profile,
    config: values.config,
    patch: values.patch,
    html: values.html,
    emitHelper: values["emit-helper"],
    collapseClasses: values["collapse-classes"],
    explain: values.explain,
    length: values.all ? "all" : "folded",
    since: values.since,
    stdinFilename: values["stdin-filename"],
    threads: threadsOf(values.concurrency),
    include: values.include,
    exclude: values.exclude,
  };
}

function threadsOf(count: string | undefined): number | undefined {
  if (count === undefined) return undefined;
  const threads = Number(count);
  if (Number.isInteger(threads) && threads >= 1 && threads <= mostThreads) return threads;
  throw new UsageError(`--concurrency ${count} has to be a whole number from 1 to ${mostThreads}`);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options: flags });
  } catch (cause) {
    const [sentence] = String(cause instanceof Error ? cause.message : cause).split(/\. |\n/);
    throw new UsageError(`${sentence?.replace(/\.$/, "")}; see --help`, { cause });
  }
}

function outputOf(values: Values): Output {
  const chosen = outputs.find((name) => isGiven(values, name));
  return chosen === "stdin" ? "source" : (chosen ?? "report");
}

function refuseContradictions(values: Values, positionals: readonly string[]): void {
  for (const name of Object.keys(flags) as FlagName[]) {
    const value = values[name];
    if (value === "" || (Array.isArray(value) && value.includes("")))
      throw new UsageError(`--${name} needs a value`);
  }
  for (const [one, others, why] of conflicts) {
    const other = isGiven(values, one) ? others.find((name) => isGiven(values, name)) : undefined;
    if (other !== undefined) throw new UsageError(`--${one} and --${other} exclude each other: ${why}`);
  }
  const [first, second] = outputs.filter((name) => isGiven(values, name));
  if (second !== undefined)
    throw new UsageError(`--${first} and --${second} both print to standard output; pass one of them`);
  if (values.stdin !== (values["stdin-filename"] !== undefined))
    throw new UsageError("--stdin and --stdin-filename FILE go together: the name tells the language");
  if (positionals.length > 0 && (values.stdin || values.explain !== undefined))
    throw new UsageError(`--${values.stdin ? "stdin" : "explain"} looks at one source; give no other paths`);
  refuseSourceAsTarget(values);
}

/** A slip such as `--patch model.ts` would cost the user the file. */
function refuseSourceAsTarget({ patch, html }: Values): void {
  for (const [name, path] of Object.entries({ patch, html })) {
    const extension = extensions.find((one) => path?.endsWith(one));
    if (extension !== undefined)
      throw new UsageError(`--${name} ${path} would write over a source file; name another file`);
  }
}

function isGiven(values: Values, name: FlagName): boolean {
  const value = values[name];
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}
