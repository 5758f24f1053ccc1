import type { Argument, CallExpr } from "../form/form.ts";
import { evaluate } from "./evaluate-expression.ts";
import { bind, runBlock } from "./evaluate-steps.ts";
import type { Closure, Env, Evaluation } from "./evaluation.ts";
import { type CallParts, factorsOf, isAboutStreams, namesNorm, normCall, viewCall } from "./tensor-calls.ts";
import type { Block, NormEvent } from "./trace.ts";
import { baseOf, holds, type Value } from "./value.ts";

const deepest = 4;
/** Calls inlined into one function; helpers that call each other many times over would take for ever. */
const mostCalls = 1000;

/** The value of a call: another view of a tensor, what inlined code gives, a norm, or just a call. */
export function evaluateCall(evaluation: Evaluation, expr: CallExpr, env: Env): Value {
  const { values } = evaluation;
  const callee = evaluate(evaluation, expr.callee, env);
  const args = expr.args.map((arg) => ({ ...arg, value: evaluate(evaluation, arg.value, env) }));
  const parts: CallParts = { callee, args };
  const seen = viewCall(parts, values);
  if (seen !== undefined) return seen;
  const inlined = expr.construct ? undefined : inlineCall(evaluation, expr, parts);
  if (inlined !== undefined) return inlined;
  const norm = expr.construct ? undefined : normCall(parts);
  if (norm !== undefined)
    return evaluation.norm(expr, values.of({ kind: "norm", ...norm }) as NormEvent["value"]);
  const weighted = evaluation.weigh(factorsOf(parts));
  if (weighted !== undefined) return weighted;
  const given = args.map(({ value }) => value);
  const called = values.of({ kind: "call", callee, args: given });
  if (!expr.args.some(isWrittenInto)) return called;
  const receiver = callee.kind === "attribute" ? [callee.object] : [];
  return evaluation.unknown([called, ...receiver, ...given]);
}

/** `out=buffer`, `inplace=True`, `{ out: buffer }`: what the call gives is not new, whatever its name. */
function isWrittenInto({ keyword, value }: Argument): boolean {
  if (value.kind === "opaque" && value.what === "object")
    return value.parts.some((part) => part.kind === "opaque" && part.what === "output");
  return keyword === "out" || keyword === "inplace";
}

/** The value of a call whose code is in reach and comes down to something the matcher knows. */
function inlineCall(evaluation: Evaluation, expr: CallExpr, parts: CallParts): Value | undefined {
  const { callee, args } = parts;
  const { at, closures, events } = evaluation;
  if (evaluation.depth >= deepest || evaluation.inlined >= mostCalls) return undefined;
  if (args.some(({ spread }) => spread)) return undefined;
  // `stream.run(() => f(x))` runs the closure that it is given.
  const onStream = callee.kind === "attribute" && isAboutStreams(callee.object);
  const body = closures.get(onStream && args.length === 1 ? args[0]!.value : callee);
  const found = body ?? declaredBy(evaluation, parts);
  if (found === undefined) return undefined;
  const saved = { ...at };
  const before = events.length;
  const effects = evaluation.effectsInlined;
  evaluation.depth += 1;
  evaluation.inlined += 1;
  at.site ??= expr;
  at.fn = found.fn;
  if (onStream) at.stream = callee.object;
  const bound = bindArguments(evaluation, found, onStream ? [] : args);
  const block: Block = { ...evaluation.newBlock(found.body, "body"), parent: undefined };
  const { result, falls } = runBlock(evaluation, block, bound);
  evaluation.depth -= 1;
  Object.assign(at, saved);
  const value = falls ? undefined : result;
  const owned = value && ownershipOf(evaluation, parts, value, found);
  if (owned !== undefined) return owned;
  const normed = events.slice(before);
  if (value === undefined || !normed.some((event) => holds(value, event.value))) {
    if (onStream && value !== undefined) return value;
    events.length = before;
    return undefined;
  }
  const { step, block: home } = at;
  const order = evaluation.lastOrder;
  const more = evaluation.effectsInlined > effects;
  const moved = normed.map((event) => ({
    ...event,
    step,
    block: home,
    order,
    doesMore: event.doesMore || more,
  }));
  events.splice(before, normed.length, ...moved);
  return value;
}

function declaredBy(evaluation: Evaluation, { callee, args }: CallParts): Closure | undefined {
  const [old, next] = args.map((arg) => arg.value);
  const isWrapper =
    args.length === 2 &&
    (baseOf(old!) === baseOf(next!) || evaluation.events.some(({ value }) => holds(next!, value)));
  // A function that names no norm may still be given one.
  const takesCode = args.some(({ value }) => evaluation.closures.has(value) || namesNorm(value));
  const fn = evaluation.find(callee, isWrapper || takesCode ? "wrapper" : "plain");
  return fn && !fn.isAsync ? { params: fn.params, body: fn.body, fn, env: new Map() } : undefined;
}

function bindArguments(evaluation: Evaluation, { params, env }: Closure, given: CallParts["args"]): Env {
  const bound: Env = new Map(env);
  const positional = given.filter(({ keyword }) => !keyword);
  params.forEach((param, i) => {
    const arg = given.find(({ keyword }) => keyword === param.name) ?? positional[i];
    const value =
      arg?.value ?? (param.initial ? evaluate(evaluation, param.initial, env) : evaluation.unknown());
    const target = param.pattern ?? ({ kind: "name", name: param.name, span: param.span } as const);
    bind(evaluation, target, value, bound, undefined);
  });
  return bound;
}

/** `disposing(old, next)`: gives `next` back and calls something on `old`. */
function ownershipOf(
  { values }: Evaluation,
  { callee, args }: CallParts,
  value: Value,
  { body }: Closure,
): Value | undefined {
  const [old, next] = args.map((arg) => arg.value);
  if (args.length !== 2 || old === undefined || next === undefined || value !== next) return undefined;
  if (!body.some(({ kind }) => kind !== "return") || old === next) return undefined;
  return baseOf(next) === baseOf(old) ? next : values.of({ kind: "owned", wrapper: callee, old, of: next });
}
