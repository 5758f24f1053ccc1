import type { Definition } from "../flow/trace.ts";
import type { Expr, Span } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import type { Scope } from "./render.ts";

/** Every name in the expression holds, where the call will stand, what it held where the expression is written. */
export function stillMeans(expr: Expr, scope: Scope, going: readonly Span[]): boolean {
  return [...scope.trace.values].every(
    ([inner, value]) =>
      inner.kind !== "name" ||
      !within(inner.span, expr.span) ||
      value.kind === "free" ||
      remaining(scope.visible.get(inner.name), going)?.value === value,
  );
}

/** The definition that is in force once the statements that go away are gone. */
function remaining(definition: Definition | undefined, going: readonly Span[]): Definition | undefined {
  let current = definition;
  while (current?.step !== undefined && going.some((span) => within(current!.step!.span, span))) {
    const { block, step, name } = current;
    const before: Definition | undefined = block.before[block.steps.indexOf(step!)]?.get(name);
    if (before === current) return current;
    current = before;
  }
  return current;
}
