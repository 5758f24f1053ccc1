import type { Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import { within } from "../form/traversal.ts";
import { Refusal } from "./reasons.ts";
import type { Side } from "./side.ts";

/**
 * A branch that only chooses a stream goes as a whole, so it must do nothing besides: throws `ambiguous` when a statement in it has an
 * effect, or when something other than the two results is read after it.
 */
export function refuseMoreInBranch({ step, path }: Side, results: readonly Value[], trace: Trace): void {
  if (path !== undefined) return;
  const isInside = (span: { start: number; end: number }) => within(span, step.span);
  const hasEffect = [...trace.steps].some(([one, traced]) => traced.hasEffect && isInside(one.span));
  const isReadLater = trace.reads.some(
    ({ expr, definition }) =>
      !isInside(expr.span) &&
      definition.step !== undefined &&
      isInside(definition.step.span) &&
      !results.includes(definition.value),
  );
  if (hasEffect || isReadLater)
    throw new Refusal("ambiguous", "the branch around the norms does something besides");
}
