import { describeFailure } from "../failures/failure.ts";
import { UsageError } from "../failures/usage-error.ts";
import { mentionIndex } from "../files/mention-index.ts";
import { extensions, languageOf, readSourceFile, type SourceContent } from "../files/source-files.ts";
import type { Value } from "../flow/value.ts";
import { allFrontEnds } from "../languages/front-ends.ts";
import { findMatches } from "../match/find-matches.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { markOfGenerated } from "../plan/generated-file.ts";
import { planFile } from "../plan/plan-file.ts";
import type { Profile } from "../profiles/profile.ts";
import { Project, type TypeSource } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";

/** `--explain FILE[:LINE]`: every applied norm with its input and its result as values, then what was decided. */
export async function explain(
  place: string,
  profiles: readonly Profile[],
  types: TypeSource,
): Promise<string> {
  const [, path = place, wanted] = /^(.*?)(?::(\d+))?$/.exec(place) ?? [];
  const language = languageOf(path);
  const profile = profiles.find(({ languages }) => language !== undefined && languages.includes(language));
  if (language === undefined) throw new UsageError(`${path} is not a source file (${extensions.join(" ")})`);
  if (profile === undefined) {
    const names = profiles.map((one) => `${one.name} (${one.languages.join(", ")})`).join(", ");
    throw new UsageError(`${path} is in ${language}, which no profile of this run is for: ${names}`);
  }
  const project = new Project(await allFrontEnds(), types);
  const source = read(path);
  const { text } = source;
  const form = project.add(path, language, text)!;
  const context = {
    project,
    facts: new NormFacts(project),
    profile,
    filesMentioning: mentionIndex([path], [path]),
  };
  const { traced } = findMatches(form, context);
  const line = wanted === undefined ? undefined : Number(wanted);
  const isNear = (start: number, end: number) =>
    line === undefined || (lineAt(text, start) <= line && line <= lineAt(text, end));
  const lines: string[] = [];
  const shown = new Set<string>();
  for (const { fn, trace } of traced) {
    if (trace.events.length === 0 || !isNear(fn.span.start, fn.span.end)) continue;
    shown.add(fn.symbol);
    lines.push(`${fn.symbol} (line ${lineAt(text, fn.span.start)})`);
    for (const { value, site, stream } of trace.events) {
      const on = stream === undefined ? "" : ` on stream ${show(stream)}`;
      lines.push(`  line ${lineAt(text, site.span.start)}: ${show(value)}${on}`);
    }
    if (trace.result !== undefined) lines.push(`  returns ${show(trace.result)}`);
  }
  if (lines.length === 0)
    lines.push(`No norm of q or k is applied ${line === undefined ? "here" : `around line ${line}`}.`);
  const { findings } = planFile(form, context);
  for (const { kind, reason, message, symbol, line: at, endLine } of findings) {
    const isAsked = line === undefined || shown.has(symbol) || (at <= line && line <= endLine);
    if (!isAsked) continue;
    lines.push(
      `${kind === "replaced" ? "match" : `no match [${reason}]`}: line ${at}, ${symbol}: ${message}`,
    );
  }
  const mark = markOfGenerated(path, source);
  if (mark !== undefined)
    lines.push(`Nothing is replaced here: ${mark} says that a program writes this file.`);
  return `${lines.join("\n")}\n`;
}

function read(path: string): SourceContent {
  let source: ReturnType<typeof readSourceFile>;
  try {
    source = readSourceFile(path);
  } catch (cause) {
    throw new UsageError(`${path} cannot be read: ${describeFailure(cause)}`, { cause });
  }
  if ("skipped" in source) throw new UsageError(`${path} is not read as code: ${source.skipped}`);
  return source;
}

/** A value in words, at most a few levels deep. */
function show(value: Value, depth = 0): string {
  const inner = (one: Value) => (depth > 5 ? "..." : show(one, depth + 1));
  const list = (values: readonly Value[]) => values.map(inner).join(", ");
  switch (value.kind) {
    case "self":
      return "self";
    case "param":
      return `param ${value.name}`;
    case "free":
      return value.name;
    case "attribute":
      return `${inner(value.object)}.${value.name}`;
    case "literal":
      return JSON.stringify(value.value) ?? "undefined";
    case "tuple":
      return `(${list(value.items)})`;
    case "item":
      return `${inner(value.of)}[${inner(value.index)}]`;
    case "call":
      return `${inner(value.callee)}(${list(value.args)})`;
    case "reshape":
      return `reshape(${inner(value.of)}, ${inner(value.to)})`;
    case "shape":
      return `shape(${inner(value.of)})`;
    case "norm":
      return `norm<${inner(value.norm)}>(${inner(value.of)})`;
    case "owned":
      return `owned(${inner(value.of)}, frees ${inner(value.old)})`;
    case "operation":
      return `(${value.operands.map(inner).join(` ${value.operator} `)})`;
    case "choice":
      return `choose(${inner(value.test)}, ${inner(value.then)}, ${inner(value.otherwise)})`;
    case "await":
      return `await ${inner(value.of)}`;
    case "unknown":
      return "?";
    default:
      return value satisfies never;
  }
}
