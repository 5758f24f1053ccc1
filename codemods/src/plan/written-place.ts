import { posix } from "node:path";
import { namesNorm } from "../candidates/candidates.ts";
import { generatedMark } from "../files/generated-mark.ts";
import type { ClassForm, FileForm, FunctionForm } from "../form/form.ts";
import { declared } from "../norms/class-fact.ts";
import { dottedName } from "../norms/class-members.ts";
import type { Declared, Project } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import type { WrittenPlace } from "./change.ts";

const { basename, dirname, join } = posix;
/** Sources that take their code from each other; a chain longer than this is a circle. */
const deepest = 8;

/**
 * Where a function of a generated file is written by hand: in the file that this one names as its source, or, where a class there
 * inherits it, in the source of the file that its base class stands in. Undefined when the file names none.
 */
export function writtenPlace(form: FileForm, symbol: string, project: Project): WrittenPlace | undefined {
  const from = generatedMark(form.text)?.from;
  if (from === undefined) return undefined;
  const source = sourceForm(form, project);
  const [owner = symbol, member] = symbol.split(".");
  const found = source && locate({ form: source, owner, member }, project, 0);
  if (found === undefined) return { path: source?.path ?? from };
  const { form: home, declaration } = found;
  return { path: home.path, line: lineAt(home.text, declaration.span.start), symbol: declaration.symbol };
}

interface Wanted {
  readonly form: FileForm;
  /** The class, or the function when there is no member. */
  readonly owner: string;
  readonly member: string | undefined;
}

/** The file that a generated one is made from: beside it, or from a folder above it on. */
function sourceForm(form: FileForm, project: Project): FileForm | undefined {
  const from = generatedMark(form.text)?.from;
  if (from === undefined) return undefined;
  for (const path of [join(dirname(form.path), basename(from)), ...below(dirname(form.path), from)]) {
    const found = path === form.path ? undefined : project.form(path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function below(folder: string, path: string): readonly string[] {
  const parent = dirname(folder);
  return [join(folder, path), ...(parent === folder ? [] : below(parent, path))];
}

function locate(wanted: Wanted, project: Project, depth: number): Declared<FunctionForm> | undefined {
  if (depth > deepest) return undefined;
  const { form, owner, member } = wanted;
  const within = (one: Declared<{ readonly name: string }>) =>
    inSource({ form: one.form, owner: one.declaration.name, member }, project, depth);
  if (member === undefined) {
    const own = form.functions.find(({ name }) => name === owner);
    if (own !== undefined) return { declaration: own, form };
    const found = declared(project.resolveFunction(owner, form));
    return first(found === undefined ? functionsBeside(wanted, project) : [found], within);
  }
  const cls = form.classes.find(({ name }) => name === owner);
  if (cls === undefined) {
    const taken = declared(project.resolveClass(owner, form));
    return first(taken === undefined ? renamed(wanted, project) : [taken], within);
  }
  const own = cls.methods.find(({ name }) => name === member);
  // One without a norm calls that of its base class, whose code the generator puts in its place.
  if (own !== undefined && namesNorm(textOf(own, form))) return { declaration: own, form };
  return first(basesOf(cls, form, project), within);
}

function first<A, B>(items: readonly A[], find: (item: A) => B | undefined): B | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function textOf({ span }: FunctionForm, { text }: FileForm): string {
  return text.slice(span.start, span.end);
}

/** In a file, or, when that one is generated as well, in what it is made from. */
function inSource(wanted: Wanted, project: Project, depth: number): Declared<FunctionForm> | undefined {
  const source = sourceForm(wanted.form, project);
  const written = source && locate({ ...wanted, form: source }, project, depth + 1);
  return written ?? locate(wanted, project, depth + 1);
}

function basesOf(cls: ClassForm, form: FileForm, project: Project): readonly Declared<ClassForm>[] {
  return cls.bases.flatMap((base) => declared(project.resolveClass(dottedName(base) ?? "", form)) ?? []);
}

/**
 * A class that the source does not name comes with one that it derives from, under a name with the source's own prefix: of
 * `HYV3DecoderLayer(Glm4MoeDecoderLayer)` also `HYV3Attention`, which is `Glm4MoeAttention` there.
 */
function renamed({ form, owner }: Wanted, project: Project): readonly Declared<ClassForm>[] {
  return form.classes.flatMap((cls) =>
    basesOf(cls, form, project).flatMap((base) => {
      const [prefix, other] = prefixesOf(cls.name, base.declaration.name);
      if (prefix === "" || other === "" || !owner.startsWith(prefix)) return [];
      return declared(project.resolveClass(other + owner.slice(prefix.length), base.form)) ?? [];
    }),
  );
}

/** A function that the source does not name comes with a class or function that it imports, from the same file as that. */
function functionsBeside({ form, owner }: Wanted, project: Project): readonly Declared<FunctionForm>[] {
  const paths = form.imports.flatMap(({ module }) => project.importTargets(module, form).slice(0, 1));
  return [...new Set(paths)].flatMap((path) => {
    const other = project.form(path);
    const declaration = other?.functions.find(({ name }) => name === owner);
    return other !== undefined && declaration !== undefined ? [{ declaration, form: other }] : [];
  });
}

/** What two names have before their common end. */
function prefixesOf(a: string, b: string): readonly [string, string] {
  let shared = 0;
  while (shared < Math.min(a.length, b.length) && a.at(-1 - shared) === b.at(-1 - shared)) shared += 1;
  return [a.slice(0, a.length - shared), b.slice(0, b.length - shared)];
}
