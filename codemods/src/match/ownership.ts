import type { Value } from "../flow/value.ts";
import { within } from "../form/traversal.ts";
import { layersOf } from "./aliases.ts";
import type { Traced } from "./match.ts";
import { Refusal } from "./reasons.ts";
import type { Side } from "./side.ts";

/** `disposing(q, norm(q))`: the first argument is to be freed, whatever the second one is called. */
export function ownedParts(side: Side, { trace }: Traced): readonly { start: number; end: number }[] {
  const calls = (side.path ?? []).slice(0, -1).filter((expr) => expr.kind === "call");
  return calls.flatMap((call) => {
    const others = call.args.filter(({ span }) => !within(side.path!.at(-1)!.span, span));
    const passed = others.filter(({ value }) => trace.values.get(value) === side.input);
    if (passed.length === 0) return [];
    const value = trace.values.get(call);
    if (value?.kind === "owned" && value.old === side.input) return passed.map(({ span }) => span);
    throw new Refusal(
      "ownership",
      "old and new tensor go into one call, and what it frees could not be read",
    );
  });
}

/** Whether the function frees one of the tensors itself, so that it must not be the result: `q.dispose()`, `using q = ...`. */
export function freesInput(inputs: readonly Value[], { trace }: Traced): boolean {
  const isUsed = trace.definitions.some(
    ({ step, value }) =>
      step?.kind === "assign" &&
      step.declares === "using" &&
      inputs.some((input) => layersOf(input).includes(value)),
  );
  if (isUsed) return true;
  return [...trace.values].some(([expr, value]) => {
    const callee = value.kind === "call" && expr.kind === "call" ? value.callee : undefined;
    return callee?.kind === "attribute" && callee.name === "dispose" && inputs.includes(callee.object);
  });
}
