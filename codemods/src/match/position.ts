import type { Block } from "../flow/trace.ts";
import type { Step } from "../form.ts";
import { within } from "./expressions.ts";
import type { Traced } from "./match.ts";
import { Refusal } from "./reasons.ts";
import { homeOf, removedBy, type Side } from "./side.ts";

/** Where both inputs are ready and neither result is needed yet: at the first of the two steps, else at the second. */
export function positionFor(q: Side, k: Side, at: Traced): number {
  const [blockQ, blockK] = [homeOf(q.event, at.trace).block, homeOf(k.event, at.trace).block];
  if (blockQ !== blockK)
    throw new Refusal("conditional-side", "q and k are not normalised in the same block");
  const [early, late] = q.index <= k.index ? [q, k] : [k, q];
  if (early.index === late.index) return early.index;
  if (isReadyAt(late, early.index, blockQ, at)) return early.index;
  if (early.targets.length > 0 && !isUsedBetween(early, late, blockQ, at)) return late.index;
  throw new Refusal("ambiguous", "q is needed before k is there, so no one place serves both");
}

/** Whether every variable that the input's expression reads has the same value before the step at `index`. */
function isReadyAt(side: Side, index: number, block: Block, { trace }: Traced): boolean {
  const before = block.before[index];
  if (before === undefined) return false;
  const spans = removedBy(side);
  const reads = trace.reads.filter(({ expr }) => spans.some((span) => within(expr.span, span)));
  const made = new Set(side.temporaries);
  return reads.every(({ expr, definition }) => {
    const maker = definition.step;
    if (maker !== undefined && (made.has(maker) || maker === side.step)) return true;
    return before.get(expr.name) === definition || definition.block.parent?.step === side.step;
  });
}

function isUsedBetween(early: Side, late: Side, block: Block, { trace }: Traced): boolean {
  const between = block.steps
    .slice(early.index + 1, late.index)
    .filter((step) => !late.temporaries.includes(step));
  const names = early.targets.map(({ name }) => name);
  const isRead = trace.reads.some(
    ({ expr, definition }) =>
      (definition.value === early.result || names.includes(definition.name)) &&
      between.some(({ span }) => within(expr.span, span)),
  );
  return isRead || between.some((step) => assignsOneOf(step, names, trace));
}

function assignsOneOf(step: Step, names: readonly string[], trace: Traced["trace"]): boolean {
  return trace.steps.get(step)?.assigned.some(({ name }) => names.includes(name)) ?? false;
}
