import type { Value } from "../flow/value.ts";
import type { Expr, FileForm, FunctionForm } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import type { Project } from "../project/project.ts";
import { lineAt } from "../text/line-index.ts";
import { dottedName } from "./class-members.ts";
import { isEps, isSmall } from "./eps-argument.ts";
import type { NormFact, NormKind } from "./norm-fact.ts";
import { kindOfFunction, kindOfName } from "./norm-kind.ts";

/** What is known about a norm that is a function, from its code or its name and from what it is given. */
export function functionFact(
  callee: Value,
  args: readonly Value[],
  fn: FunctionForm,
  form: FileForm,
  project: Project,
): NormFact {
  const name = nameOf(callee) ?? "";
  const found = functionBehind(callee, fn, form, project);
  const params = found?.declaration.params.map((param) => param.name) ?? [];
  const weight =
    args.find((arg, i) => isWeight(params[i]) || ("name" in arg && isWeight(arg.name))) ?? args[1];
  const eps = args.find((arg, i) => isEps(params[i] ?? "") || saysEps(arg));
  const kind = found === undefined ? kindOfName(name) : kindOfFunction(found.declaration, found.form);
  return {
    className: name,
    kind: withoutWeight(kind ?? "unknown", weight),
    axis: "unknown",
    attributes: [],
    isAsync: found?.declaration.isAsync ?? false,
    ...(eps && { eps: textOf(eps) }),
    ...(found?.madeBy !== undefined && { madeBy: found.madeBy }),
    resolved:
      found === undefined
        ? { from: "name", module: "" }
        : {
            from: "code",
            path: found.form.path,
            line: lineAt(found.form.text, found.declaration.span.start),
          },
  };
}

/** The declaration of `rmsNorm`, `ops.rmsNorm`, `this.rms`, or of a constant that wraps one: `jit(function rms() {})`. */
function functionBehind(
  callee: Value,
  fn: FunctionForm,
  form: FileForm,
  project: Project,
): { declaration: FunctionForm; form: FileForm; madeBy?: string } | undefined {
  if (callee.kind === "attribute" && callee.object.kind === "self") {
    const owner = ownerOf(fn, form);
    const declaration = owner?.methods.find(({ name }) => name === callee.name);
    return declaration && { declaration, form };
  }
  const name = nameOf(callee);
  const found = name === undefined ? undefined : project.resolveFunction(name, form);
  if (found !== undefined && "declaration" in found) return found;
  const wrapped = name === undefined ? undefined : wrappedFunction(name, form);
  return wrapped && { ...wrapped, form };
}

function wrappedFunction(
  name: string,
  { module }: FileForm,
): { declaration: FunctionForm; madeBy: string } | undefined {
  for (const step of module.body) {
    if (step.kind !== "assign" || step.target.kind !== "name" || step.target.name !== name) continue;
    const inner = step.value.kind === "call" ? step.value.args.map(({ value }) => value) : [];
    const closure = inner.find((one): one is Extract<Expr, { kind: "closure" }> => one.kind === "closure");
    if (closure === undefined || step.value.kind !== "call") return undefined;
    const { params, body } = closure;
    const declaration = { ...module, name, kind: "function", params, body, span: step.span } as const;
    return { declaration, madeBy: dottedName(step.value.callee) ?? "a call" };
  }
  return undefined;
}

function withoutWeight(kind: NormKind, weight: Value | undefined): NormKind {
  const isGiven = weight !== undefined && !(weight.kind === "literal" && (weight.value ?? null) === null);
  return kind === "plain-rms" && !isGiven ? "weightless" : kind;
}

function isWeight(name: string | undefined): boolean {
  return name !== undefined && /^(?:weight|w|gamma|scale|g)$/.test(name);
}

function saysEps(value: Value): boolean {
  return value.kind === "literal" ? isSmall(value.value) : "name" in value && isEps(value.name);
}

function textOf(value: Value): string {
  return value.kind === "literal" ? String(value.value) : (nameOf(value) ?? `#${value.id}`);
}

function nameOf(value: Value): string | undefined {
  if (value.kind === "free" || value.kind === "param") return value.name;
  if (value.kind !== "attribute") return undefined;
  if (value.object.kind === "self") return value.name;
  const object = nameOf(value.object);
  return object === undefined ? value.name : `${object}.${value.name}`;
}
