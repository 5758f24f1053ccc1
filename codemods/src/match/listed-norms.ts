import { classifyName, forwards } from "../candidates/names.ts";
import type { Expr, Step } from "../form/form.ts";
import { childrenOf, expressionsOf } from "../form/traversal.ts";
import { exprsIn } from "../norms/norm-kind.ts";
import { sideOfEvent } from "./given-side.ts";
import type { RefusedMatch, Traced } from "./match.ts";
import { sideOfName, speaksOfBoth } from "./side-of.ts";

/** Functions and methods that call what they are given for each of several tensors. */
const each = /^(?:zip|map|starmap|forEach|flatMap)$/;

/**
 * The step as a loop over both norms or both tensors: `for norm, x in ((self.q_norm, q), (self.k_norm, k))`, `map(self.qk_norm, (q, k))`. Which
 * norm meets which tensor is not seen, so that it stays, but it is told of.
 */
export function listedNorms(at: Traced): readonly RefusedMatch[] {
  const { steps, events } = at.trace;
  const told = new Set(events.flatMap((event) => (sideOfEvent(event) === undefined ? [] : [event.step])));
  const loops = [...steps.keys()].filter((step) => !told.has(step) && loopsIn(step).some(isOverNorms));
  const message = "the norms are applied in a loop over q and k";
  return loops.map(({ span }) => ({ kind: "refused", reason: "ambiguous", message, at, span }));
}

/** What is gone over, and the code that is run for each. */
interface Loop {
  readonly over: readonly Expr[];
  readonly code: readonly Expr[];
}

function loopsIn(step: Step): readonly Loop[] {
  if (step.kind === "loop") return [{ over: step.head.flatMap(inside), code: exprsIn(step.body) }];
  return expressionsOf(step)
    .flatMap(inside)
    .filter(isLoop)
    .map((loop) => {
      const over = inside(loop);
      const closures = over.flatMap((expr) => (expr.kind === "closure" ? exprsIn(expr.body) : []));
      return { over, code: [...over, ...closures] };
    });
}

function isLoop(expr: Expr): boolean {
  if (expr.kind === "opaque") return expr.what === "comprehension";
  if (expr.kind !== "call") return false;
  const { callee } = expr;
  return (callee.kind === "name" || callee.kind === "attribute") && each.test(callee.name);
}

/** Whether norms of q and k, or one of both, are run on q and k. */
function isOverNorms({ over, code }: Loop): boolean {
  const norms = namesIn(over).filter((name) => classifyName(name) === "qk-norm");
  const isOfEach = (["q", "k"] as const).every((side) => norms.some((name) => sideOfName(name) === side));
  const tensors = namesIn([...over, ...code])
    .filter((name) => classifyName(name) !== "qk-norm")
    .map(sideOfName);
  const hasBoth = tensors.includes("q") && tensors.includes("k");
  return hasBoth && (norms.some(speaksOfBoth) || (isOfEach && code.some(runsVariable)));
}

/** `norm(x)`, `norm.forward(x)`: a call of what the loop goes over. */
function runsVariable(expr: Expr): boolean {
  if (expr.kind !== "call" || expr.args.length !== 1) return false;
  const { callee } = expr;
  const isForward = callee.kind === "attribute" && forwards.has(callee.name);
  const called = isForward ? callee.object : callee;
  return called.kind === "name" && !known.test(called.name);
}

const known = /^(?:zip|map|list|tuple|iter|all|any|sum|len|type|enumerate|reversed|Array)$/;

function namesIn(exprs: readonly Expr[]): readonly string[] {
  return exprs.flatMap((expr) => (expr.kind === "name" || expr.kind === "attribute" ? [expr.name] : []));
}

function inside(expr: Expr): readonly Expr[] {
  return [expr, ...childrenOf(expr).flatMap(inside)];
}
