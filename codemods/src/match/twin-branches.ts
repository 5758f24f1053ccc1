import type { Block, Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Step } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import { homeOf, type Side } from "./side.ts";

/** One `if` that does nothing but normalise one side: the side inside it, and the whole `if` as that side's step. */
interface Twin {
  readonly inner: Side;
  readonly whole: Side;
}

/** `if (t) q = norm(q); ...; if (t) k = norm(k);`: two branches of `block` that are taken together or not at all. */
export interface Twins {
  readonly block: Block;
  readonly early: Twin;
  readonly late: Twin;
}

export function twinsOf(q: Side, k: Side, trace: Trace): Twins | undefined {
  const [blockQ, blockK] = [homeOf(q.event, trace).block, homeOf(k.event, trace).block];
  const [aroundQ, aroundK] = [blockQ.parent, blockK.parent];
  if (aroundQ === undefined || aroundK === undefined || aroundQ.block !== aroundK.block) return undefined;
  if (aroundQ.step === aroundK.step || blockQ.kind !== "then" || blockK.kind !== "then") return undefined;
  if (![aroundQ.step, aroundK.step].every(isOneArmed)) return undefined;
  if (!isAllOf(q, blockQ) || !isAllOf(k, blockK)) return undefined;
  const { block } = aroundQ;
  const twins = [twinOf(q, aroundQ.step, block), twinOf(k, aroundK.step, block)];
  const [early, late] = twins.sort((a, b) => a.whole.index - b.whole.index);
  if (early === undefined || late === undefined) return undefined;
  return isSameTest(early.whole, late.whole, block, trace) ? { block, early, late } : undefined;
}

function isOneArmed(step: Step): boolean {
  return step.kind === "branch" && step.otherwise.length === 0 && step.otherwiseSpan === undefined;
}

/** Whether the arm does nothing besides, and the result goes into a variable. */
function isAllOf({ step, temporaries, targets }: Side, { steps }: Block): boolean {
  return targets.length > 0 && steps.every((one) => one === step || temporaries.includes(one));
}

function twinOf(side: Side, step: Step, block: Block): Twin {
  const whole = { ...side, step, index: block.steps.indexOf(step), path: undefined, temporaries: [] };
  return { inner: side, whole };
}

/** Whether the two tests are one value, and nothing that runs between them can change what it reads. */
function isSameTest(early: Side, late: Side, block: Block, trace: Trace): boolean {
  if (early.step.kind !== "branch" || late.step.kind !== "branch") return false;
  const tests = [early.step.test, late.step.test].map((test) => trace.values.get(test));
  const [test] = tests;
  if (test === undefined || test !== tests[1] || !isPlain(test)) return false;
  const between = block.steps.slice(early.index, late.index);
  return ![...trace.steps].some(
    ([step, { hasEffect }]) => hasEffect && between.some(({ span }) => within(step.span, span)),
  );
}

/** Read twice, it gives the same: no call, nothing unknown. */
export function isPlain(value: Value): boolean {
  switch (value.kind) {
    case "self":
    case "param":
    case "free":
    case "literal":
      return true;
    case "attribute":
      return isPlain(value.object);
    case "operation":
      return value.operands.every(isPlain);
    default:
      return false;
  }
}
