import type { Expr } from "../form/form.ts";
import { pathTo } from "../form/traversal.ts";
import type { Side } from "../match/side.ts";

/** The tuple that holds both results and nothing else, as in `return [qNormed, kNormed]`. */
export function sharedTuple(q: Side, k: Side): Extract<Expr, { kind: "tuple" }> | undefined {
  if (q.step !== k.step || q.path === undefined || k.path === undefined) return undefined;
  const tuple = q.path.at(-2);
  if (tuple?.kind !== "tuple" || tuple.items.length !== 2) return undefined;
  const [first, second] = tuple.items;
  const isQ = pathTo(first!, (expr) => expr === q.path!.at(-1)) !== undefined && first === q.path.at(-1);
  return isQ && second === k.path.at(-1) ? tuple : undefined;
}
