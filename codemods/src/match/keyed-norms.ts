import { classifyName, forwards } from "../candidates/names.ts";
import type { CallExpr, Expr } from "../form/form.ts";
import type { RefusedMatch, Traced } from "./match.ts";
import { type SideName, sideOfName } from "./side-of.ts";

/**
 * Norms that are items of something: `self.norms["q"](q)`, `self.q_norm[layer](q)`, `this.norms.q.forward(q)`. Their classes are not seen, so
 * that they stay, but they are told of.
 */
export function keyedNorms(at: Traced): readonly RefusedMatch[] {
  const calls = [...at.trace.values.keys()].flatMap((expr) => {
    const side = expr.kind === "call" ? sideOfCall(expr) : undefined;
    return side === undefined ? [] : [{ side, span: expr.span }];
  });
  const ofSide = (wanted: SideName) => calls.find(({ side }) => side === wanted)?.span;
  const [q, k] = [ofSide("q"), ofSide("k")];
  if (q === undefined || k === undefined) return [];
  const span = { start: Math.min(q.start, k.start), end: Math.max(q.end, k.end) };
  const message = "q and k are normalised by items of a list or dict of norms, whose classes are not seen";
  return [{ kind: "refused", reason: "unknown-norm", message, at, span }];
}

function sideOfCall({ callee, args }: CallExpr): SideName | undefined {
  if (args.length === 0) return undefined;
  const isForward = callee.kind === "attribute" && forwards.has(callee.name);
  return sideOfItem(isForward ? callee.object : callee);
}

function sideOfItem(item: Expr): SideName | undefined {
  if (item.kind !== "index" && item.kind !== "attribute") return undefined;
  const { object } = item;
  if (object.kind !== "attribute" && object.kind !== "name") return undefined;
  const kind = classifyName(object.name);
  if (item.kind === "index" && kind === "qk-norm") return sideOfName(object.name);
  const key = item.kind === "attribute" ? item.name : item.index.kind === "literal" ? item.index.value : "";
  return kind === "norm" && typeof key === "string" ? sideOfName(key) : undefined;
}
