import type { Expr, FunctionForm, Span, Step } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import type { PairCall, Traced } from "./match.ts";

/** The calls in a file by what they call, so that thousands of functions are not each looked for in all of them. */
export class CallIndex {
  readonly #byCallee = new Map<string, PairCall[]>();

  constructor(traced: readonly Traced[]) {
    for (const at of traced) {
      for (const call of at.trace.values.keys()) {
        const callee = calleeOf(call, at);
        const step = callee === undefined ? undefined : innermost(at, call.span);
        if (callee === undefined || step === undefined) continue;
        const known = this.#byCallee.get(callee);
        const found = { at, call: call as PairCall["call"], step };
        if (known === undefined) this.#byCallee.set(callee, [found]);
        else known.push(found);
      }
    }
  }

  /** The calls of a function by others: of a method, those on `self` in classes of its owner's name. */
  of({ fn }: Traced): readonly PairCall[] {
    return (this.#byCallee.get(keyOf(fn.owner, fn.name)) ?? []).filter(({ at }) => at.fn !== fn);
  }
}

function calleeOf(call: Expr, { fn, trace }: Traced): string | undefined {
  if (call.kind !== "call") return undefined;
  const callee = trace.values.get(call.callee);
  if (callee?.kind === "free") return keyOf(undefined, callee.name);
  const isMember = callee?.kind === "attribute" && callee.object.kind === "self";
  return isMember && fn.owner !== undefined ? keyOf(fn.owner, callee.name) : undefined;
}

function keyOf(owner: FunctionForm["owner"], name: string): string {
  return owner === undefined ? name : `${owner}.${name}`;
}

function innermost({ trace }: Traced, span: Span): Step | undefined {
  return [...trace.steps.keys()].filter((step) => within(span, step.span)).at(-1);
}
