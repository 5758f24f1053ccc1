import type { Block, Trace } from "../flow/trace.ts";
import { baseOf, holds, type Value } from "../flow/value.ts";
import type { Span, Step } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import { isHarmlessRead, layersOf } from "./aliases.ts";
import { withViewsMoved } from "./moved-views.ts";
import { Refusal } from "./reasons.ts";
import { homeOf, removedBy, type Side } from "./side.ts";
import { twinsOf } from "./twin-branches.ts";

/** Where the helper goes: before step `index` of `block`. The sides are as seen from there. */
export interface Placement {
  readonly block: Block;
  readonly index: number;
  readonly q: Side;
  readonly k: Side;
}

/** Where both inputs are ready and neither result is needed yet: at the first of the two steps, else at the second. */
export function placementFor(q: Side, k: Side, trace: Trace): Placement {
  const blockQ = homeOf(q.event, trace).block;
  const blockK = homeOf(k.event, trace).block;
  if (blockQ === blockK) {
    const [early, late] = q.index <= k.index ? [q, k] : [k, q];
    const { home, late: moved } = inOneBlock(early, late, blockQ, trace);
    const sides = early === q ? { q, k: moved } : { q: moved, k };
    return { block: blockQ, index: home.index, ...sides };
  }
  const twins = twinsOf(q, k, trace);
  if (twins === undefined)
    throw new Refusal("conditional-side", "q and k are not normalised under the same condition");
  // Seen from the block around them, each `if` is one step; the one that the helper goes into stays as it is.
  const { early, late, block } = twins;
  const { home } = inOneBlock(early.whole, late.whole, block, trace);
  const [inner, outer] = home === early.whole ? [early.inner, late.whole] : [late.inner, early.whole];
  const sides = inner.event === q.event ? { q: inner, k: outer } : { q: outer, k: inner };
  return { block: homeOf(inner.event, trace).block, index: inner.index, ...sides };
}

/** The side at whose step the helper can stand for both, and the later side as it is then. */
function inOneBlock(
  early: Side,
  given: Side,
  block: Block,
  trace: Trace,
): { readonly home: Side; readonly late: Side } {
  refuseChangedOnTheWay(early, block, trace);
  refuseChangedOnTheWay(given, block, trace);
  if (early.index === given.index) return { home: early, late: given };
  const late = given.path === undefined ? given : withViewsMoved(given, early.index, block, trace);
  const between = block.steps
    .slice(early.index + 1, late.index)
    .filter((step) => !late.temporaries.includes(step));
  const isUntouched = (side: Side) =>
    !between.some((step) => mayChange(step, side.input, trace) || mayChangeNorm(step, side, trace));
  const ways = waysOut(between);
  const isCaught = isInTry(block);
  const isAlways = ways.every((way) => way === "error" && !isCaught);
  // Where a way out leads on, somebody may read what the early norm gave.
  const leadsOn = ways.includes("jump") || (isCaught && ways.length > 0);
  if (isAlways && isReadyAt(late, early.index, block, trace) && isUntouched(late))
    return { home: early, late };
  const isFree = early.targets.length > 0 && !leadsOn && !isUsedIn(between, early, trace);
  if (isFree && isUntouched(early)) return { home: given, late: given };
  if (!isAlways)
    throw new Refusal(
      "conditional-side",
      "the function may return between the two norms, so that one of them does not run",
    );
  throw new Refusal("ambiguous", "q is needed before k is there, so no one place serves both");
}

/** How the statements may leave their block before its end; a jump is `break` or `continue`. */
function waysOut(steps: readonly Step[]): readonly ("return" | "jump" | "error")[] {
  return steps.flatMap((step) => {
    if (step.kind === "return") return ["return"] as const;
    if (step.kind === "leave") return [step.value === undefined ? "jump" : "error"] as const;
    if (step.kind === "branch") return [...waysOut(step.then), ...waysOut(step.otherwise)];
    return "body" in step ? waysOut(step.body) : [];
  });
}

function isInTry({ parent }: Block): boolean {
  if (parent === undefined) return false;
  const { step, block } = parent;
  return (step.kind === "scope" && step.context.kind === "opaque") || isInTry(block);
}

/** Whether every variable that the side's code reads has the same value before the step at `index`. */
function isReadyAt(side: Side, index: number, block: Block, trace: Trace): boolean {
  const before = block.before[index];
  if (before === undefined) return false;
  const spans = removedBy(side);
  const reads = trace.reads.filter(({ expr }) => spans.some((span) => within(expr.span, span)));
  return reads.every(({ expr, definition }) => {
    const isMadeHere =
      definition.step !== undefined && isIn(definition.step.span, [...spans, side.step.span]);
    return isMadeHere || before.get(expr.name) === definition || definition.block.parent?.step === side.step;
  });
}

function isUsedIn(steps: readonly Step[], { targets, result }: Side, trace: Trace): boolean {
  const names = targets.map(({ name }) => name);
  const isRead = trace.reads.some(
    ({ expr, definition }) =>
      (definition.value === result || names.includes(definition.name)) &&
      steps.some(({ span }) => within(expr.span, span)),
  );
  return isRead || steps.some((step) => assignsOneOf(step, names, trace));
}

function assignsOneOf(step: Step, names: readonly string[], trace: Trace): boolean {
  return trace.steps.get(step)?.assigned.some(({ name }) => names.includes(name)) ?? false;
}

/** A statement that stays must not write into the tensor, or into a copy of it, on its way to the norm. */
function refuseChangedOnTheWay(side: Side, block: Block, trace: Trace): void {
  const first = Math.min(...side.temporaries.map((step) => block.steps.indexOf(step)).filter((i) => i >= 0));
  const steps = block.steps.slice(Math.min(first, side.index), side.index);
  const staying = steps.filter((step) => !side.temporaries.includes(step));
  const spans = removedBy(side);
  const copies = trace.reads
    .filter(({ expr }) => isIn(expr.span, spans))
    .filter(({ definition: { value } }) => value !== side.input && layersOf(value).includes(side.input));
  const isCopyChanged = copies.some(({ definition }) =>
    definition.reads.some(
      (read) => !isIn(read.expr.span, spans) && hasEffect(read.step, trace) && !isHarmlessRead(read),
    ),
  );
  if (isCopyChanged || staying.some((step) => mayChange(step, side.input, trace)))
    throw new Refusal("ambiguous", "something may write into the tensor on its way to the norm");
}

/** Whether a statement that does more than to compute variables is given the tensor, a view of it, or what holds it. */
function mayChange(step: Step, tensor: Value, trace: Trace): boolean {
  const base = baseOf(tensor);
  const isEffect = [...trace.steps].some(([one, { hasEffect }]) => hasEffect && within(one.span, step.span));
  return (
    isEffect &&
    trace.reads.some(
      (read) =>
        within(read.expr.span, step.span) &&
        [tensor, base].some((one) => mayHold(read.definition.value, one, trace)) &&
        !isHarmlessRead(read),
    )
  );
}

/**
 * Whether a statement that does more than to compute variables speaks of the norm, or of a weight that it is given:
 * `self.k_norm.weight.mul_(2)`.
 */
function mayChangeNorm(step: Step, { event: { value } }: Side, trace: Trace): boolean {
  if (!hasEffect(step, trace)) return false;
  const given = value.style === "function" ? value.args.filter(({ kind }) => kind === "attribute") : [];
  const parts = [value.norm, ...given];
  return [...trace.values].some(([expr, seen]) => parts.includes(seen) && within(expr.span, step.span));
}

/** Whether a value is made of a tensor, or is a container that it was put into. */
function mayHold(value: Value, tensor: Value, { contents }: Trace): boolean {
  const seen = new Set<Value>();
  const pending: Value[] = [value];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (seen.has(one)) continue;
    if (holds(one, tensor)) return true;
    seen.add(one);
    for (const [container, inside] of contents) if (holds(one, container)) pending.push(...inside);
  }
  return false;
}

function hasEffect(step: Step, trace: Trace): boolean {
  return [...trace.steps].some(([one, traced]) => traced.hasEffect && within(one.span, step.span));
}

function isIn(inner: Span, spans: readonly Span[]): boolean {
  return spans.some((span) => within(inner, span));
}
