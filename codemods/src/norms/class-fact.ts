import type { ClassForm, Expr, FileForm, Step } from "../form/form.ts";
import type { Declared, Project, Resolved } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import { attributesOf, dottedName } from "./class-members.ts";
import type { NormFact, NormKind } from "./norm-fact.ts";
import { computesOther } from "./norm-formula.ts";
import { kindOfClass, kindOfName } from "./norm-kind.ts";
import { isOtherThanRows } from "./weight-shape.ts";

export const nothing: NormFact = {
  className: "",
  kind: "unknown",
  axis: "unknown",
  attributes: [],
  isAsync: false,
  resolved: { from: "nothing" },
};

/** What is known about the norms of a class that a file calls by this name; undefined when there is none. */
export function namedClassFact(name: string, form: FileForm, project: Project): NormFact | undefined {
  const found = project.resolveClass(name, form);
  if (found === undefined) return undefined;
  if ("declaration" in found) return classFact(found, project);
  const kind = kindOfName(found.name) ?? "unknown";
  return { ...nothing, className: found.name, kind, resolved: { from: "name", module: found.module } };
}

/** What is known about the norms of a class whose code is in reach. */
export function classFact({ declaration, form }: Declared<ClassForm>, project: Project): NormFact {
  const forward = forwardOf(declaration);
  const attributes = allAttributesOf(declaration, form, project, 0);
  const read = namesRead(declaration, form, project, 0);
  return {
    ...nothing,
    unread: attributes.filter((name) => !read.has(name.replace(/^#/, ""))),
    ...(isOtherThanRows(declaration) && { axis: "other" as const }),
    ...(forward !== undefined && givesTuple(forward.body) && { givesTuple: true }),
    className: declaration.name,
    kind: kindOf(declaration, form, project, 0),
    attributes,
    isAsync: forward?.isAsync ?? false,
    resolved: { from: "code", path: form.path, line: lineAt(form.text, declaration.span.start) },
  };
}

/** What its own code says; one that is RMS by its words is held to the formula, unless its axis is told to be another one. */
function ownKind(cls: ClassForm, form: FileForm): NormKind {
  const kind = kindOfClass(cls, form);
  const isRms = kind === "plain-rms" || kind === "weightless";
  const forward = forwardOf(cls);
  if (!isRms || forward === undefined || isOtherThanRows(cls)) return kind;
  return computesOther(forward, cls, form) ? "unknown" : kind;
}

function forwardOf({ methods }: ClassForm): ClassForm["methods"][number] | undefined {
  return methods.find(({ name }) => /^(?:forward|__call__|call|apply)$/.test(name));
}

export function declared<T>(found: Resolved<T>): Declared<T> | undefined {
  return found !== undefined && "declaration" in found ? found : undefined;
}

/** What the class computes; one that adds no code of its own computes what its base does. */
function kindOf(cls: ClassForm, form: FileForm, project: Project, depth: number): NormKind {
  const own = ownKind(cls, form);
  const hasForward = cls.methods.some(({ name }) => name !== "constructor" && name !== "__init__");
  if (hasForward || depth > 3) return own;
  for (const base of cls.bases) {
    const name = dottedName(base) ?? "";
    const found = project.resolveClass(name, form);
    if (found === undefined) continue;
    const isRead = "declaration" in found;
    const kind = isRead ? kindOf(found.declaration, found.form, project, depth + 1) : kindOfName(name);
    const isKnown = kind !== undefined && kind !== "unknown";
    if (isKnown || (isRead && forwardOf(found.declaration) !== undefined)) return kind ?? "unknown";
  }
  return own;
}

function allAttributesOf(cls: ClassForm, form: FileForm, project: Project, depth: number): readonly string[] {
  const bases = depth > 3 ? [] : cls.bases;
  const inherited = bases.flatMap((base) => {
    const found = declared(project.resolveClass(dottedName(base) ?? "", form));
    return found ? allAttributesOf(found.declaration, found.form, project, depth + 1) : [];
  });
  return [...attributesOf(cls), ...inherited];
}

/** Methods that make a norm, or tell of it. */
const telling = /^(?:extra_repr|__repr__|__str__|toString|reset_?parameters|init_?weights)$/i;

/** Every name in its code and that of its bases, but for what makes a norm. */
function namesRead(cls: ClassForm, form: FileForm, project: Project, depth: number): ReadonlySet<string> {
  const own = cls.methods.flatMap(({ kind, name, span }) =>
    kind === "constructor" || telling.test(name)
      ? []
      : (form.text.slice(span.start, span.end).match(/[\w$]+/g) ?? []),
  );
  const inherited = (depth > 3 ? [] : cls.bases).flatMap((base) => {
    const found = declared(project.resolveClass(dottedName(base) ?? "", form));
    return found ? [...namesRead(found.declaration, found.form, project, depth + 1)] : [];
  });
  return new Set([...own, ...inherited]);
}

/** Whether each `return` gives several values, or an object; one that does so only beside a residual that it is given gives one to us. */
function givesTuple(body: readonly Step[]): boolean {
  const returns = returnsIn(body);
  const isNoTensor = (value: Expr | undefined) =>
    value?.kind === "tuple" || (value?.kind === "opaque" && value.what === "object");
  return returns.length > 0 && returns.every((step) => isNoTensor(step.value));
}

function returnsIn(steps: readonly Step[]): readonly Extract<Step, { kind: "return" }>[] {
  return steps.flatMap((step) => {
    if (step.kind === "return") return [step];
    if (step.kind === "branch") return returnsIn([...step.then, ...step.otherwise]);
    return "body" in step ? returnsIn(step.body) : [];
  });
}
