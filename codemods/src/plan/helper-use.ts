import { resolve } from "node:path";
import { misfitOf } from "../copies/choose-form.ts";
import { sourceOfName } from "../copies/origin.ts";
import type { Value } from "../flow/value.ts";
import type { FileForm, Span } from "../form/form.ts";
import { perForm } from "../form/per-form.ts";
import { within } from "../form/traversal.ts";
import type { CopyForm } from "../helper/helper-form.ts";
import type { AddedImport } from "../languages/front-end.ts";
import type { Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import type { Change } from "./change.ts";

export interface HelperContext {
  readonly project: Project;
  readonly profile: Profile;
}

/** The import that a rewritten file needs; none where it has it already, or is the helper's own file. */
export function helperImport(form: FileForm, { project, profile }: HelperContext): readonly AddedImport[] {
  const { name, module, path } = profile.helper;
  if (path === undefined) return [{ module, name }];
  if (resolve(path) === resolve(form.path) || isImported(form, { project, profile })) return [];
  return [{ module: project.importPath(path, form), name }];
}

/** Throws when the file has something else under the helper's name. */
export function refuseTakenName({ form, trace }: Traced, context: HelperContext): void {
  const { name, path } = context.profile.helper;
  refuseGuarded(form, context.profile.helper);
  const isLocal = trace.definitions.some((one) => one.name === name);
  const isHome = path !== undefined && resolve(path) === resolve(form.path);
  const source = sourceOfName(name, form, context.project);
  if (!isLocal && (source.kind === "global" || isHome || isImported(form, context))) return;
  throw new Refusal("ambiguous", `this file has something else called ${name}`);
}

const functionsIn = perForm(({ functions, classes }) => [
  ...functions,
  ...classes.flatMap(({ methods }) => methods),
]);

/** The modules that a call imports: `require("x")` outside of imports, `import("x")`. */
const askedModules = perForm(({ imports, text }) => {
  const code = imports.reduce((left, { span }) => blank(left, span), text);
  const calls = code.matchAll(/(?:import|require|import_module|find_spec)\(\s*["'`]([^"'`]*)["'`]/g);
  return new Set([...calls].map(([, module]) => module));
});

/**
 * Throws where the file imports the helper's module, or a package around it, only if it is there: in a `try`, by a call. An import at the top
 * would fail where the file now does without.
 */
function refuseGuarded(form: FileForm, { module }: Profile["helper"]): void {
  const isAround = (name: string) => name === module || module.startsWith(`${name}.`);
  const isGuarded = form.imports.some(
    (one) =>
      !one.topLevel &&
      !one.typeOnly &&
      isAround(one.module) &&
      !functionsIn(form).some(({ span }) => within(one.span, span)),
  );
  if (isGuarded || askedModules(form).has(module))
    throw new Refusal(
      "helper-mismatch",
      `the file takes ${module} only if it is there, and does without it otherwise`,
    );
}

function blank(text: string, { start, end }: Span): string {
  return text.slice(0, start) + " ".repeat(end - start) + text.slice(end);
}

function isImported(form: FileForm, { project, profile }: HelperContext): boolean {
  const { name, module, path } = profile.helper;
  const source = sourceOfName(name, form, project);
  if (source.kind !== "import" || source.origin.imported !== name) return false;
  if (path === undefined) return source.origin.module === module;
  return source.origin.path !== undefined && resolve(source.origin.path) === resolve(path);
}

/**
 * The change that makes a copy call the helper. While the helper is still to be made it is only told what the copy is like;
 * one that was made from other copies has to be right for this one. Throws `Refusal`.
 */
export function withHelper(
  copy: () => CopyForm,
  { at, profile }: { readonly at: Traced; readonly profile: Profile },
  make: () => Change,
): Change {
  const { path, form, name, loads = [] } = profile.helper;
  if (path === undefined) return make();
  if (loads.includes(resolve(at.form.path)))
    throw new Refusal("helper-mismatch", `${path} imports this file, which so cannot import ${path}`);
  const own = copy();
  if (form === undefined) return { ...empty(at), copy: own };
  const misfit = misfitOf(own, form, at.form.language);
  if (misfit !== undefined)
    throw new Refusal("helper-mismatch", `${name} in ${path} is wrong for it: ${misfit}`);
  return make();
}

function empty({ form, fn }: Traced): Change {
  const line = lineAt(form.text, fn.span.start);
  const finding = { line, endLine: line, kind: "replaced", symbol: fn.symbol, message: "" } as const;
  return { edits: [], removed: [], finding };
}

/** Throws when the copy uses a second stream that the helper does not take: it would be lost without a word. */
export function refuseLostStream(altStream: Value | undefined, { takesAltStream, helper }: Profile): void {
  if (altStream === undefined || takesAltStream) return;
  throw new Refusal("helper-mismatch", `it uses a second stream, which ${helper.name} does not take`);
}

/** A helper that does not reshape takes no head dim. */
export function needsHeadDim({ helper }: Profile): boolean {
  return helper.form === undefined || helper.form.reshape !== undefined;
}
