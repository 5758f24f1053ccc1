import { baseOf, type Value, type ValueOf } from "../flow/value.ts";
import type { PairFunction, Traced } from "./match.ts";
import { refuseOtherCall } from "./norm-call.ts";
import { checkNorm, factOf, type NormRules } from "./norm-rules.ts";
import { Refusal } from "./reasons.ts";
import { isFlatRows } from "./side.ts";
import { sideOfName, sideOfValue } from "./side-of.ts";

/**
 * The function as one QK-norm step, or undefined when it is something else or something more.
 * Throws `Refusal` when it is one that the helper cannot stand for.
 */
export function pairFunctionOf(
  at: Traced,
  rules: Omit<NormRules, "place" | "trace">,
): PairFunction | undefined {
  const { fn, trace } = at;
  const { result } = trace;
  if (fn.kind !== "method" && fn.kind !== "function") return undefined;
  if (fn.isAsync || fn.decorators.length > 0 || result?.kind !== "tuple" || result.items.length !== 2)
    return undefined;
  if (trace.stores.length > 0 || [...trace.steps.values()].some(({ hasEffect }) => hasEffect))
    return undefined;
  const halves = result.items.map((item) => halfOf(item));
  const [a, b] = halves;
  if (a === undefined || b === undefined || a.param === b.param) return undefined;
  const [aSide, bSide] = [a, b].map(({ norm }) => sideOfNorm(norm));
  if (aSide === bSide || aSide === undefined || bSide === undefined || aSide === "v" || bSide === "v")
    return undefined;
  // The helper gives back q first.
  if (aSide === "k") return undefined;
  const [q, k] = [a, b];
  const place = { ...rules, place: at, trace };
  const dims = [q, k].map((half, i) => {
    const side = i === 0 ? ("q" as const) : ("k" as const);
    const name = fn.params[half.param]?.name ?? "";
    if ((sideOfName(name) ?? side) !== side)
      throw new Refusal("ambiguous", `the ${side} norm is given ${name}`);
    const applied = { side, value: half.applied, input: half.input };
    refuseOtherCall({ ...applied, fact: factOf(applied, place) }, at, rules.profile);
    return checkNorm(applied, place);
  });
  if (dims[0] !== undefined && dims[1] !== undefined && dims[0] !== dims[1]) {
    throw new Refusal("different-head-dim", "q and k have heads of different size");
  }
  // What gives rows is more than the step, which inside it can still become one call.
  if ([q, k].some(({ isRestored, of }) => !isRestored && of.kind === "reshape" && isFlatRows(of.to)))
    return undefined;
  const stream = trace.events.find((event) => event.stream !== undefined)?.stream;
  return {
    kind: "pair-function",
    at,
    qParam: q.param,
    kParam: k.param,
    qNorm: q.norm,
    kNorm: k.norm,
    headDim: dims[0] ?? dims[1],
    altStream: stream,
  };
}

interface Half {
  readonly param: number;
  readonly norm: Value;
  readonly of: Value;
  readonly applied: ValueOf<"norm">;
  readonly input: Value;
  readonly isRestored: boolean;
}

/** `norm(rows(param))` brought back to the parameter's shape, or `norm(param)`. */
function halfOf(value: Value): Half | undefined {
  const isRestored = value.kind === "reshape" && value.to.kind === "shape";
  const norm = isRestored ? value.of : value;
  if (norm.kind !== "norm" || norm.style !== "module") return undefined;
  const input = isRestored && value.kind === "reshape" && value.to.kind === "shape" ? value.to.of : norm.of;
  const base = baseOf(norm.of);
  if (base.kind !== "param" || baseOf(input) !== base || (isRestored && input !== base)) return undefined;
  if (!isRestored && norm.of !== base && !(norm.of.kind === "reshape" && isFlatRows(norm.of.to)))
    return undefined;
  return { param: base.index, norm: norm.norm, of: norm.of, applied: norm, input, isRestored };
}

function sideOfNorm(norm: Value) {
  return norm.kind === "attribute" ? sideOfName(norm.name) : sideOfValue(norm);
}
