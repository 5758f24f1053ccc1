import { resolve } from "node:path";
import type { FilesMentioning } from "../files/mention-index.ts";
import type { Expr, FileForm } from "../form/form.ts";
import { isCommonJs } from "../languages/typescript/new-import.ts";
import type { Project } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import type { ClassCopy } from "./class-copy.ts";

/**
 * Why it matters to somebody that these copies are several classes; undefined when nobody could tell. Two classes can be told apart by
 * `instanceof`, as a base class or a key, and by what they keep on themselves.
 */
export function identityProblem(
  copies: readonly ClassCopy[],
  project: Project,
  filesMentioning: FilesMentioning,
): string | undefined {
  for (const copy of copies) {
    const own = ownProblem(copy);
    if (own !== undefined) return own;
  }
  const { name } = copies[0]!.cls;
  const homes = new Map(copies.map(({ form }) => [resolve(form.path), form]));
  const paths = new Set([...homes.keys(), ...filesMentioning(name).map((path) => resolve(path))]);
  for (const path of paths) {
    const form = homes.get(path) ?? project.form(path);
    if (form === undefined) return `${path} names it and could not be read`;
    const names = homes.has(path) ? [name] : namesIn(form, name, homes, project);
    for (const local of names) {
      const other = project.usesOf(form, local).find(({ kind }) => kind === "other");
      if (other !== undefined)
        return `line ${lineAt(form.text, other.span.start)} of ${form.path} does more with it than to build it`;
    }
  }
  return undefined;
}

/** The names under which a file may know one of the copies. */
function namesIn(
  form: FileForm,
  name: string,
  homes: ReadonlyMap<string, FileForm>,
  project: Project,
): readonly string[] {
  // A module that could not be followed may be one of their files if it is called so: `@/models/alpha`.
  const stems = new Set([...homes.keys()].map((path) => lastPart(path)));
  const names = form.imports.flatMap((statement) => {
    const [path] = project.importTargets(statement.module, form);
    const target = path === undefined ? undefined : project.form(path);
    const isElsewhere = (imported: string) => {
      if (target === undefined) return !stems.has(lastPart(statement.module));
      if (homes.has(resolve(target.path))) return false;
      const found = project.resolveClass(imported, target);
      return found !== undefined && "declaration" in found && !homes.has(resolve(found.form.path));
    };
    return statement.names.flatMap(({ imported, local }) => {
      // Of a whole module the class is a member, under its own name.
      if (imported === "*") return isElsewhere(name) ? [] : [name];
      return imported === name && !isElsewhere(imported) ? [local] : [];
    });
  });
  return [...new Set(names)];
}

/** `alpha` of `./models/alpha.ts`, of `models.alpha` and of `models/alpha/index.ts`. */
function lastPart(module: string): string {
  const path = module.replace(/(?:\/(?:index|__init__))?(?:\.[cm]?[jt]sx?|\.py)?$/, "");
  return path.split(/[/.]/).at(-1) ?? "";
}

function ownProblem({ form, cls }: ClassCopy): string | undefined {
  const text = form.text.slice(cls.span.start, cls.span.end);
  if (text.startsWith("@")) return `it has a decorator in ${form.path}, which may do something each time`;
  if (/^export\s+default\b/.test(text)) return `it is the default export of ${form.path}`;
  if (form.language !== "python" && isCommonJs(form))
    return `${form.path} is a CommonJS module, whose exports are not followed`;
  const isShared = (field: { readonly span: { readonly start: number; readonly end: number } }) =>
    form.language === "python" ||
    /^(?:\w+\s+)*static\b/.test(form.text.slice(field.span.start, field.span.end));
  const hasState = cls.fields.some((field) => field.initial && isShared(field) && !isConstant(field.initial));
  if (hasState || /\bstatic\s*\{/.test(text)) return `it keeps something on the class itself in ${form.path}`;
  return undefined;
}

/** A list could be added to. */
function isConstant(value: Expr): boolean {
  return value.kind === "literal";
}
