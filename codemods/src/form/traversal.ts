import type { Expr, Span, Step } from "./form.ts";

/** The expressions directly inside an expression; those of a closure's body are not. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "attribute":
      return [expr.object];
    case "call":
      return [expr.callee, ...expr.args.map(({ value }) => value)];
    case "index":
      return [expr.object, expr.index];
    case "tuple":
      return expr.items;
    case "operation":
      return expr.operands;
    case "choice":
      return [expr.test, expr.then, expr.otherwise];
    case "await":
      return [expr.value];
    case "opaque":
      return expr.parts;
    default:
      return [];
  }
}

/** The expressions of a step itself, without those of the steps inside it. */
export function expressionsOf(step: Step): readonly Expr[] {
  switch (step.kind) {
    case "assign":
    case "evaluate":
      return [step.value];
    case "return":
    case "leave":
      return step.value === undefined ? [] : [step.value];
    case "branch":
      return [step.test];
    case "scope":
      return [step.context];
    case "loop":
      return step.head;
    case "opaque":
      return step.parts;
    case "function":
      return [];
    default:
      return step satisfies never;
  }
}

/** The path from `root` down to the first expression that fits, both included; outermost first. */
export function pathTo(root: Expr, fits: (expr: Expr) => boolean): readonly Expr[] | undefined {
  if (fits(root)) return [root];
  for (const child of childrenOf(root)) {
    const path = pathTo(child, fits);
    if (path !== undefined) return [root, ...path];
  }
  return undefined;
}

/** Whether everything on the path runs whenever its root does. */
export function isUnconditional(path: readonly Expr[]): boolean {
  return path.every((expr, i) => {
    const next = path[i + 1];
    if (next === undefined) return true;
    if (expr.kind === "choice") return next === expr.test;
    if (expr.kind === "operation" && ["&&", "||", "??"].includes(expr.operator))
      return next === expr.operands[0];
    return !(expr.kind === "opaque" && ["comprehension", "case"].includes(expr.what));
  });
}

export function within(inner: Span, outer: Span): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}
