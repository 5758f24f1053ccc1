import { classifyName, forwards } from "../candidates/names.ts";
import type { Value } from "../flow/value.ts";
import type { CallExpr, Expr } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import { sideOfEvent } from "./given-side.ts";
import type { RefusedMatch, Traced } from "./match.ts";
import { type SideName, sideOfName, sideOfValue } from "./side-of.ts";

/**
 * Calls of one module that is given q and k: `self.qk_norm(q, k)`. What it does with each is not seen here, so that no helper can stand
 * for it, but it is the step all the same.
 */
export function jointNorms(at: Traced): readonly RefusedMatch[] {
  const { form, trace } = at;
  return [...trace.values].flatMap(([expr, value]): readonly RefusedMatch[] => {
    if (expr.kind !== "call" || (value.kind !== "call" && value.kind !== "norm")) return [];
    const module = moduleOf(value.callee);
    if (module === undefined || classifyName(module.name) !== "qk-norm" || isOwnMethod(module, at)) return [];
    const isKnown = trace.events.some((event) => event.site === expr && sideOfEvent(event) !== undefined);
    if (isKnown || !takesBoth(expr, at)) return [];
    const name = form.text.slice(expr.callee.span.start, expr.callee.span.end);
    const message = `q and k are normalised together by \`${name}\`, not by a norm for each`;
    return [{ kind: "refused", reason: "unknown-norm", message, at, span: expr.span }];
  });
}

/** The module that is called, as an attribute of something that is no import: a function of a library is no copy of the step. */
function moduleOf(callee: Value): Extract<Value, { kind: "attribute" }> | undefined {
  const module = callee.kind === "attribute" && forwards.has(callee.name) ? callee.object : callee;
  return module.kind === "attribute" && module.object.kind !== "free" ? module : undefined;
}

/** A method of the same class is told of where it stands. */
function isOwnMethod({ object, name }: Extract<Value, { kind: "attribute" }>, { form, fn }: Traced): boolean {
  const owner = ownerOf(fn, form);
  return object.kind === "self" && owner?.methods.some((method) => method.name === name) === true;
}

function takesBoth({ args }: CallExpr, { trace }: Traced): boolean {
  const sides = args.flatMap(({ value }) => {
    const given = trace.values.get(value);
    return value.kind === "name" ? sideOfName(value.name) : [given && sideOfValue(given), ...joined(value)];
  });
  return sides.includes("q") && sides.includes("k");
}

/** What is put together for the module: `torch.cat([q, k], 1)`. */
function joined(value: Expr): readonly (SideName | undefined)[] {
  if (value.kind === "name") return [sideOfName(value.name)];
  const parts =
    value.kind === "call" ? value.args.map((arg) => arg.value) : value.kind === "tuple" ? value.items : [];
  return parts.flatMap(joined);
}
