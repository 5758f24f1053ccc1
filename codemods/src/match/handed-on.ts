import { traceFunction } from "../flow/evaluate.ts";
import type { ClosureExpr } from "../form/code.ts";
import { within } from "../form/traversal.ts";
import { sideOfEvent } from "./given-side.ts";
import { isOfInnerClass } from "./inner-classes.ts";
import type { RefusedMatch, Traced } from "./match.ts";

/**
 * Steps in a function without a name that is handed on, `tidy(() => { q = qNorm(q); k = kNorm(k); })`: who runs it, how often, and what becomes
 * of what it gives is not seen, so that they stay, but they are told of.
 */
export function stepsHandedOn({ form, fn, trace }: Traced): readonly RefusedMatch[] {
  const closures = [...trace.values.keys()].filter((expr): expr is ClosureExpr => expr.kind === "closure");
  return closures.flatMap(({ params, body, span }): readonly RefusedMatch[] => {
    // One that is called where it stands was looked into.
    if (trace.events.some(({ call }) => within(call.span, span)) || body.length === 0) return [];
    if (isOfInnerClass(span, { form, fn, trace })) return [];
    const inside = { ...fn, kind: "function", params, body, span } as const;
    const at = { form, fn: inside, trace: traceFunction(inside, () => undefined) };
    const sides = new Set(at.trace.events.map(sideOfEvent));
    if (!sides.has("q") || !sides.has("k")) return stepsHandedOn(at);
    const message = "both norms are applied in a function that is handed on, which may run at any time";
    return [{ kind: "refused", reason: "ambiguous", message, at, span }];
  });
}
