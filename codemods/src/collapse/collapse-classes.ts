import { resolve } from "node:path";
import { mentionIndex } from "../files/mention-index.ts";
import { listSourceFiles, readSourceFile } from "../files/source-files.ts";
import type { FileForm } from "../form/form.ts";
import { allFrontEnds } from "../languages/front-ends.ts";
import type { Finding } from "../plan/change.ts";
import { markOfGenerated } from "../plan/generated-file.ts";
import { Project } from "../project/project.ts";
import { everything, type FileResult, type RunOptions, type RunResult } from "../run/run.ts";
import { lineAt } from "../text/line-index.ts";
import { applyEdits, type TextEdit } from "../text/text-edits.ts";
import { type ClassCopy, classKey, normClassesOf } from "./class-copy.ts";
import { exportIt, importInstead } from "./class-edits.ts";
import { chooseHome, isExported } from "./class-home.ts";
import { identityProblem } from "./class-identity.ts";

/**
 * Makes one class of a norm class that several files declare: one copy stays, the other files import it. Goes on from what a run
 * planned. Reads only.
 */
export async function collapseClasses(result: RunResult, options: RunOptions): Promise<RunResult> {
  const { files: sources } = await listSourceFiles(options.paths, options.filter ?? everything);
  const project = new Project(await allFrontEnds());
  const planned = new Map(result.files.map((file) => [resolve(file.path), file]));
  const known = new Map<string, FileResult>();
  const groups = new Map<string, ClassCopy[]>();
  for (const { path, language } of sources) {
    if (!options.profiles.some(({ languages }) => languages.includes(language))) continue;
    const source = readSourceFile(path);
    if (
      "skipped" in source ||
      !/\bclass\s+\w*(?:norm|rms)/i.test(source.text) ||
      markOfGenerated(path, source) !== undefined
    )
      continue;
    const { text: before, byteOrderMark } = source;
    const file = planned.get(resolve(path)) ?? {
      path,
      language,
      findings: [],
      before,
      after: undefined,
      byteOrderMark,
    };
    const form = project.add(path, language, file.after ?? before);
    for (const copy of form === undefined ? [] : normClassesOf(form)) {
      known.set(path, file);
      const key = `${language === "python" ? "python" : "script"} ${copy.cls.name}`;
      groups.set(key, [...(groups.get(key) ?? []), copy]);
    }
  }
  const filesMentioning = mentionIndex(
    options.paths,
    sources.map(({ path }) => path),
  );
  const outcomes = [...groups.values()]
    .filter((group) => group.length > 1)
    .flatMap((group) => settle(group, project, filesMentioning));
  return withOutcomes(result, outcomes, known, project);
}

/** What becomes of one copy. */
interface Outcome {
  readonly copy: ClassCopy;
  readonly kind: Finding["kind"];
  readonly message: string;
  readonly edits: readonly TextEdit[];
  /** Whether the other copies import this one, so that it has to be written before them. */
  readonly comesFirst?: boolean;
}

function settle(
  group: readonly ClassCopy[],
  project: Project,
  filesMentioning: (word: string) => readonly string[],
): readonly Outcome[] {
  const byKey = groupedBy(group, (copy) => classKey(copy, project));
  const alike = [...byKey.values()].sort((a, b) => b.length - a.length)[0]!;
  const [first] = alike;
  const others = group.filter((copy) => !alike.includes(copy));
  const differing = others.map((copy) =>
    refusal(copy, `its code is another than that of ${first!.form.path}`),
  );
  if (alike.length < 2) return differing;
  const problem = identityProblem(alike, project, filesMentioning);
  if (problem !== undefined) return [...alike.map((copy) => refusal(copy, problem)), ...differing];
  const home = chooseHome(alike, project);
  if (home === undefined) {
    const circle = "each of the files that have it loads another one, so none can be imported by all";
    return [...alike.map((copy) => refusal(copy, circle)), ...differing];
  }
  const leaving = alike.filter((copy) => copy !== home);
  const stays: Outcome = {
    copy: home,
    kind: "replaced",
    message: `stays, and is exported for ${leaving.length} other ${leaving.length === 1 ? "file" : "files"}`,
    edits: [exportIt(home)],
    comesFirst: true,
  };
  const imported = leaving.map((copy): Outcome => {
    const message = `is the same class as in ${home.form.path}, and is imported from there`;
    return { copy, kind: "replaced", message, edits: importInstead(copy, home, project) };
  });
  return [...(isExported(home, project) ? [] : [stays]), ...imported, ...differing];
}

function refusal(copy: ClassCopy, message: string): Outcome {
  return { copy, kind: "refused", message, edits: [] };
}

function withOutcomes(
  result: RunResult,
  outcomes: readonly Outcome[],
  known: ReadonlyMap<string, FileResult>,
  project: Project,
): RunResult {
  const changed = new Map<string, FileResult>();
  for (const [path, own] of groupedBy(outcomes, ({ copy }) => copy.form.path)) {
    const file = known.get(path)!;
    const { form } = own[0]!.copy;
    const edits = own.flatMap((outcome) => outcome.edits);
    const after = edits.length === 0 ? file.after : rewritten(form, edits, project);
    const findings = [...file.findings, ...own.map((outcome) => findingOf(outcome, file.before))];
    const isFirst = own.some(({ comesFirst }) => comesFirst);
    changed.set(resolve(path), {
      ...file,
      findings: findings.sort((a, b) => a.line - b.line),
      after,
      ...(isFirst && { comesFirst: true }),
    });
  }
  const old = result.files.map((file) => changed.get(resolve(file.path)) ?? file);
  const fresh = [...changed.values()].filter(
    ({ path }) => !result.files.some((file) => resolve(file.path) === resolve(path)),
  );
  const files = [...old, ...fresh].sort((a, b) => (a.path < b.path ? -1 : 1));
  const leads = ({ helper, comesFirst }: FileResult) => helper !== undefined || comesFirst === true;
  return { ...result, files: [...files.filter(leads), ...files.filter((file) => !leads(file))] };
}

function rewritten(form: FileForm, edits: readonly TextEdit[], project: Project): string {
  const after = applyEdits(form.text, edits);
  const { path, language } = form;
  const [error] = project.frontEnd(language)!.lower({ path, language, text: after }).errors;
  if (error !== undefined)
    throw new Error(`${path} does not parse once its classes are imported: ${error.message}`);
  return after;
}

/** Lines are those of the file as it is on disk. */
function findingOf({ copy, kind, message }: Outcome, before: string): Finding {
  const { cls, form } = copy;
  const text = form.text.slice(cls.span.start, cls.span.end);
  const at = Math.max(0, before.indexOf(text));
  return {
    line: lineAt(before, at),
    endLine: lineAt(before, at + text.length),
    kind,
    ...(kind === "refused" && { reason: "class-not-shared" as const }),
    symbol: cls.name,
    message,
  };
}

function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
