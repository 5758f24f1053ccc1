import { splitWords } from "../candidates/names.ts";
import type { Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Expr, Span, Step } from "../form/form.ts";
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
  const asked = [...trace.values].find(
    ([expr]) => isInside(expr.span) && isTest(expr.span, step) && mayDoMore(expr),
  );
  if (asked !== undefined)
    throw new Refusal("ambiguous", "what the branch around the norms asks may do something");
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

/** Whether it stands in the test of the branch, or of one inside. */
function isTest(span: Span, step: Step): boolean {
  if (step.kind === "scope") return step.body.some((inner) => isTest(span, inner));
  if (step.kind !== "branch") return false;
  return (
    within(span, step.test.span) || [...step.then, ...step.otherwise].some((inner) => isTest(span, inner))
  );
}

const predicates = new Set([
  "is",
  "has",
  "can",
  "should",
  "needs",
  "supports",
  "isinstance",
  "hasattr",
  "getattr",
  "len",
  "callable",
]);

/** A call that goes with the branch; one that is called like a question only answers it. */
function mayDoMore(expr: Expr): boolean {
  if (expr.kind !== "call") return expr.kind === "opaque" && expr.what === "assignment";
  const { callee } = expr;
  const name = callee.kind === "name" || callee.kind === "attribute" ? callee.name : "";
  return !splitWords(name).some((word) => predicates.has(word));
}
