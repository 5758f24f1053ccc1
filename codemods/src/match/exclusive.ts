import type { Block } from "../flow/trace.ts";
import type { Span, Step } from "../form/form.ts";
import { within } from "../form/traversal.ts";

/** Where the helper will stand. */
export interface HelperPlace {
  readonly block: Block;
  readonly step: Step;
}

/** Whether what stands there never runs in one call of the function with the helper: in the other arm, or after an arm that returned. */
export function isElsewhere(span: Span, { block, step }: HelperPlace): boolean {
  const mayComeBack = isInLoopOrTry(block);
  for (let one: Block | undefined = block; one?.parent !== undefined; one = one.parent.block) {
    const around = one.parent.step;
    const isInside = within(span, around.span);
    if (around.kind === "branch" && isInside && !one.steps.some((inner) => within(span, inner.span)))
      return !within(span, around.test.span);
    if (one.terminates && !mayComeBack && span.start >= around.span.end) return true;
  }
  return within(span, step.span) && span.end < step.span.start;
}

/** What leaves a block there may be a `continue`, or go through a `finally`. */
function isInLoopOrTry({ kind, parent }: Block): boolean {
  if (parent === undefined) return false;
  const isTry = parent.step.kind === "scope" && parent.step.context.kind === "opaque";
  return kind === "loop" || kind === "opaque" || isTry || isInLoopOrTry(parent.block);
}
