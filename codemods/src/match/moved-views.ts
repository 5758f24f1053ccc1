import type { Block, Definition, Trace } from "../flow/trace.ts";
import type { Span, Step } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import { layersOf } from "./aliases.ts";
import { removedBy, type Side } from "./side.ts";
import { isProjected } from "./transposed.ts";

/**
 * The side with statements among those that go that only look at its tensor in another way on the way to the norm, and may as well do so where the
 * helper is to stand, before step `index`: `k = k.unflatten(-1, (heads, dim))`. Unchanged where there are none.
 */
export function withViewsMoved(side: Side, index: number, block: Block, trace: Trace): Side {
  const before = block.before[index];
  if (before === undefined) return side;
  let moved = side;
  for (;;) {
    const spans = removedBy(moved);
    const late = trace.reads.find(
      ({ expr, definition }) =>
        isIn(expr.span, spans) && !isMadeIn(definition, spans) && before.get(expr.name) !== definition,
    );
    const step =
      late === undefined ? undefined : viewStep(late.definition, { side: moved, index, block, trace });
    if (step === undefined) return late === undefined ? moved : side;
    moved = { ...moved, temporaries: [step, ...moved.temporaries] };
  }
}

interface Move {
  readonly side: Side;
  readonly index: number;
  readonly block: Block;
  readonly trace: Trace;
}

/** The statement that makes the variable, if it may go to the helper's place with the norm that alone reads it. */
function viewStep({ step, value, reads }: Definition, { side, index, block, trace }: Move): Step | undefined {
  const place = step === undefined ? -1 : block.steps.indexOf(step);
  if (step?.kind !== "assign" || place < index || place >= side.index) return undefined;
  if (step.target.kind !== "name" || step.operator !== undefined || step.declares === "using")
    return undefined;
  const base = layersOf(value).at(-1)!;
  const known = new Set([...(block.before[index]?.values() ?? [])].map((definition) => definition.value));
  const isLook = layersOf(value).some((layer) => known.has(layer)) || isProjected(base);
  const spans = [...removedBy(side), step.span];
  return isLook &&
    trace.steps.get(step)?.hasEffect === false &&
    reads.every(({ expr }) => isIn(expr.span, spans))
    ? step
    : undefined;
}

function isMadeIn({ step }: Definition, spans: readonly Span[]): boolean {
  return step !== undefined && isIn(step.span, spans);
}

function isIn(inner: Span, spans: readonly Span[]): boolean {
  return spans.some((span) => within(inner, span));
}
