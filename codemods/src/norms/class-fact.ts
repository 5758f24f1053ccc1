import type { ClassForm, FileForm, Step } from "../form/form.ts";
import type { Declared, Project, Resolved } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import { attributesOf, dottedName } from "./class-members.ts";
import type { NormFact, NormKind } from "./norm-fact.ts";
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
  const forward = declaration.methods.find(({ name }) => /^(?:forward|__call__|call|apply)$/.test(name));
  return {
    ...nothing,
    ...(isOtherThanRows(declaration) && { axis: "other" as const }),
    ...(forward !== undefined && givesTuple(forward.body) && { givesTuple: true }),
    className: declaration.name,
    kind: kindOf(declaration, form, project, 0),
    attributes: allAttributesOf(declaration, form, project, 0),
    isAsync: forward?.isAsync ?? false,
    resolved: { from: "code", path: form.path, line: lineAt(form.text, declaration.span.start) },
  };
}

export function declared<T>(found: Resolved<T>): Declared<T> | undefined {
  return found !== undefined && "declaration" in found ? found : undefined;
}

/** What the class computes; one that adds no code of its own computes what its base does. */
function kindOf(cls: ClassForm, form: FileForm, project: Project, depth: number): NormKind {
  const own = kindOfClass(cls, form);
  const hasForward = cls.methods.some(({ name }) => name !== "constructor" && name !== "__init__");
  if (hasForward || depth > 3) return own;
  for (const base of cls.bases) {
    const name = dottedName(base) ?? "";
    const found = project.resolveClass(name, form);
    if (found === undefined) continue;
    const kind =
      "declaration" in found ? kindOf(found.declaration, found.form, project, depth + 1) : kindOfName(name);
    if (kind !== undefined && kind !== "unknown") return kind;
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

/** Whether each `return` gives several values; one that does so only beside a residual that it is given gives one to us. */
function givesTuple(body: readonly Step[]): boolean {
  const returns = returnsIn(body);
  return returns.length > 0 && returns.every((step) => step.value?.kind === "tuple");
}

function returnsIn(steps: readonly Step[]): readonly Extract<Step, { kind: "return" }>[] {
  return steps.flatMap((step) => {
    if (step.kind === "return") return [step];
    if (step.kind === "branch") return returnsIn([...step.then, ...step.otherwise]);
    return "body" in step ? returnsIn(step.body) : [];
  });
}
