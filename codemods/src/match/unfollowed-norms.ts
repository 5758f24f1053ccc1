import { classifyName, forwards, namesBuilder, splitWords } from "../candidates/names.ts";
import type { Value } from "../flow/value.ts";
import type { CallExpr, Expr } from "../form/form.ts";
import { childrenOf } from "../form/traversal.ts";
import { sideOfEvent } from "./given-side.ts";
import type { RefusedMatch, Traced } from "./match.ts";
import { type SideName, sideOfName, sideOfValue, speaksOfBoth } from "./side-of.ts";

/**
 * Norms of q and k that run in a way that is not followed: given a list (`self.q_norm(*[q])`), looked up by a text
 * (`getattr(self, "q_norm")(q)`), handed to something that calls them (`Reflect.apply(qNorm.forward, qNorm, [q])`), or built
 * where they are applied. They stay, but they are told of.
 */
export function unfollowedNorms(at: Traced): readonly RefusedMatch[] {
  const { trace, form } = at;
  if (trace.events.map(sideOfEvent).some((side) => side === "q" || side === "k")) return [];
  const dropped = new Set(
    [...trace.steps.keys()].flatMap((step) => (step.kind === "evaluate" ? step.value : [])),
  );
  const calls = [...trace.values.keys()].flatMap((expr) => {
    const side = expr.kind === "call" && !dropped.has(expr) ? sideOfCall(expr, at) : undefined;
    return side === undefined ? [] : [{ side, span: expr.span }];
  });
  const ofSide = (wanted: SideName) => calls.find(({ side }) => side === wanted)?.span;
  const [q, k] = [ofSide("q"), ofSide("k")];
  if (q === undefined || k === undefined || q === k) return [];
  const span = { start: Math.min(q.start, k.start), end: Math.max(q.end, k.end) };
  const code = form.text.slice(q.start, Math.min(q.end, q.start + mostShown)).replace(/\s+/g, " ");
  const message = `q and k are normalised in a way that is not followed: \`${code}\``;
  return [{ kind: "refused", reason: "unknown-norm", message, at, span }];
}

const mostShown = 60;

/** The side whose norm a call runs, if that is given a tensor of the same side and none of the other. */
function sideOfCall({ callee, args }: CallExpr, at: Traced): SideName | undefined {
  const handed = args.filter(({ value }) => normOf(value) !== undefined);
  const norms = [calledNorm(callee, at), ...handed.map(({ value }) => normOf(value))].flatMap(
    (name) => name ?? [],
  );
  const [norm] = norms;
  if (norm === undefined || norms.some((name) => name !== norm)) return undefined;
  const given = new Set(
    args.filter((arg) => !handed.includes(arg)).flatMap(({ value }) => sidesIn(value, at)),
  );
  const [side] = given;
  if (side === undefined || given.size > 1) return undefined;
  return speaksOfBoth(norm) || sideOfName(norm) === side ? side : undefined;
}

/** The name of the norm that is called: as it is, by its forward, as an item, or as what a call makes of it. */
function calledNorm(callee: Expr, at: Traced): string | undefined {
  const own = normOf(callee);
  if (own !== undefined) return own;
  switch (callee.kind) {
    case "attribute":
      return forwards.has(callee.name) ? calledNorm(callee.object, at) : undefined;
    case "index":
      return normOf(callee.object) ?? textOf(callee.index);
    case "call":
      return callee.args
        .map(({ value }) => normOf(value) ?? textOf(value))
        .find((name) => name !== undefined);
    case "name": {
      // `run = partial(self.q_norm)`
      const value = at.trace.values.get(callee);
      return value?.kind === "call" ? value.args.flatMap((arg) => normIn(arg) ?? [])[0] : undefined;
    }
    default:
      return undefined;
  }
}

/** The name of a norm of q or k, or of both, that is written here itself, or its forward. */
function normOf(expr: Expr): string | undefined {
  if (expr.kind !== "name" && expr.kind !== "attribute") return undefined;
  if (namesNorm(expr.name)) return expr.name;
  return expr.kind === "attribute" && forwards.has(expr.name) ? normOf(expr.object) : undefined;
}

function normIn(value: Value): string | undefined {
  return value.kind === "attribute" && namesNorm(value.name) ? value.name : undefined;
}

function textOf(expr: Expr): string | undefined {
  return expr.kind === "literal" && typeof expr.value === "string" && namesNorm(expr.value)
    ? expr.value
    : undefined;
}

function namesNorm(name: string): boolean {
  return classifyName(name) === "qk-norm" && !namesBuilder(name);
}

/** The sides of the tensors in what a call is given, also where that is a list in a variable. */
function sidesIn(expr: Expr, at: Traced): readonly SideName[] {
  if (expr.kind === "name" || expr.kind === "attribute") {
    const side = isTensor(expr.name) ? sideOfName(expr.name) : undefined;
    if (side !== undefined) return [side];
    const value = at.trace.values.get(expr);
    return value?.kind === "tuple" ? value.items.flatMap((item) => sideOfItem(item, at) ?? []) : [];
  }
  return childrenOf(expr).flatMap((part) => sidesIn(part, at));
}

/** By the variable that it was put in from, else by where it came from. */
function sideOfItem(item: Value, { trace }: Traced): SideName | undefined {
  const named = trace.definitions.find(
    ({ name, value }) => value === item && isTensor(name) && sideOfName(name),
  );
  return named === undefined ? sideOfValue(item) : sideOfName(named.name);
}

/** Not `q_size`, `k_cache`: sizes, weights and the like are no tensors of q or k. */
function isTensor(name: string): boolean {
  return !splitWords(name).some((word) => otherWords.has(word));
}

const otherWords = new Set(
  "size len length dim dims head heads num rank proj weight bias scale cache mask dtype shape config norm type name".split(
    " ",
  ),
);
