import type { AssignStep, BranchStep, Step, Target } from "../form/form.ts";
import { namesAssignedIn, namesOf } from "./assigned-names.ts";
import { assignInside, evaluate, visitClosure } from "./evaluate-expression.ts";
import type { Env, Evaluation } from "./evaluation.ts";
import { isAboutStreams } from "./tensor-calls.ts";
import type { Block } from "./trace.ts";
import type { Value, ValueTable } from "./value.ts";

/** What running a block comes to. `falls`: whether the code after it is reached. */
export interface Outcome {
  readonly env: Env;
  readonly falls: boolean;
  readonly result: Value | undefined;
}

export function runBlock(evaluation: Evaluation, block: Block, env: Env): Outcome {
  const { at } = evaluation;
  const place = { block: at.block, step: at.step };
  at.block = block;
  const outer = block.kind === "body" ? undefined : new Map(env);
  const outcome = runFrom(evaluation, block, 0, env);
  if (outer !== undefined) endScope(evaluation, block, outer, outcome.env);
  block.terminates = !outcome.falls;
  Object.assign(at, place);
  return outcome;
}

/** Variables that the block declares for itself are gone after it; those of the same name outside are as they were. */
function endScope(evaluation: Evaluation, { steps }: Block, outer: Env, env: Env): void {
  for (const step of steps) {
    if (step.kind !== "assign" || step.declares === undefined || step.declares === "var") continue;
    for (const name of namesOf(step.target)) {
      evaluation.restore(name, outer.get(name), env);
    }
  }
}

function runFrom(evaluation: Evaluation, block: Block, from: number, start: Env): Outcome {
  let env = start;
  for (let i = from; i < block.steps.length; i++) {
    const step = block.steps[i]!;
    evaluation.begin(step, block, i, env);
    switch (step.kind) {
      case "assign":
        assign(evaluation, step, env);
        break;
      case "evaluate":
        if (!isAboutStreams(evaluate(evaluation, step.value, env))) evaluation.effect(step);
        break;
      case "return": {
        const result = step.value && evaluate(evaluation, step.value, env);
        return { env, falls: false, result };
      }
      case "leave":
        if (step.value) evaluate(evaluation, step.value, env);
        evaluation.effect(step);
        return { env, falls: false, result: undefined };
      case "branch": {
        const done = runBranch(evaluation, step, block, i, env);
        if (done.rest !== undefined) return done.rest;
        env = done.env;
        break;
      }
      case "scope": {
        const inner = runScope(evaluation, step, env);
        if (!inner.falls && step.context.kind !== "opaque") return inner;
        // What leaves a `try` may be caught, and then the rest runs: what it all gives is one of two.
        if (!inner.falls) return { ...runFrom(evaluation, block, i + 1, inner.env), result: undefined };
        env = inner.env;
        break;
      }
      case "loop":
      case "opaque":
        env = repeat(evaluation, step, env);
        break;
      case "function": {
        const { declared } = step;
        const sees = visitClosure(evaluation, declared, env);
        evaluation.define(
          declared.name,
          evaluation.closure({ params: declared.params, body: declared.body, fn: declared, env }, sees),
          env,
          step,
        );
        break;
      }
      default:
        step satisfies never;
    }
  }
  return { env, falls: true, result: undefined };
}

function runScope(evaluation: Evaluation, step: Extract<Step, { kind: "scope" }>, env: Env): Outcome {
  const { at } = evaluation;
  const context = evaluate(evaluation, step.context, env);
  const outer = at.stream;
  const isPlain = context.kind === "literal"; // a bare block
  if (!isAboutStreams(context) && !isPlain) evaluation.effect(step);
  else if (!isPlain) at.stream = context.kind === "call" ? (context.args[0] ?? context) : context;
  const inner = runBlock(evaluation, evaluation.newBlock(step.body, "scope", step), env);
  at.stream = outer;
  return inner;
}

/** Both arms, then what is the same after either. An arm that returns leaves the rest of the block to the other one. */
function runBranch(
  evaluation: Evaluation,
  step: BranchStep,
  block: Block,
  index: number,
  env: Env,
): { env: Env; rest?: Outcome } {
  const { values } = evaluation;
  const test = evaluate(evaluation, step.test, env);
  const then = runBlock(evaluation, evaluation.newBlock(step.then, "then", step), new Map(env));
  const otherwise = runBlock(
    evaluation,
    evaluation.newBlock(step.otherwise, "otherwise", step),
    new Map(env),
  );
  if (then.falls && otherwise.falls) return { env: merge(evaluation, test, then.env, otherwise.env, step) };
  if (!then.falls && !otherwise.falls) {
    return { env, rest: { env, falls: false, result: either(values, test, then.result, otherwise.result) } };
  }
  const [gone, stays] = then.falls ? [otherwise, then] : [then, otherwise];
  const rest = runFrom(evaluation, block, index + 1, stays.env);
  if (rest.falls) return { env, rest: { ...rest, result: undefined } };
  const isThrow = gone.result === undefined;
  const [a, b] = then.falls ? [rest.result, gone.result] : [gone.result, rest.result];
  return { env, rest: { ...rest, result: isThrow ? undefined : either(values, test, a, b) } };
}

function either(
  values: ValueTable,
  test: Value,
  then: Value | undefined,
  otherwise: Value | undefined,
): Value | undefined {
  return then && otherwise && values.choice(test, then, otherwise);
}

function merge(evaluation: Evaluation, test: Value, then: Env, otherwise: Env, step: Step): Env {
  const merged: Env = new Map();
  for (const [name, a] of then) {
    const b = otherwise.get(name);
    if (b === undefined || a === b) merged.set(name, a);
    else evaluation.define(name, evaluation.values.choice(test, a.value, b.value), merged, step, [a, b]);
  }
  for (const [name, b] of otherwise) if (!then.has(name)) merged.set(name, b);
  return merged;
}

/** A body that may run any number of times: what it assigns is unknown before and after. */
function repeat(evaluation: Evaluation, step: Extract<Step, { kind: "loop" | "opaque" }>, before: Env): Env {
  evaluation.effect(step);
  const heads = (step.kind === "loop" ? step.head : step.parts).map((one) =>
    evaluate(evaluation, one, before),
  );
  if (step.kind === "opaque" && step.what === "assignment") {
    const [target] = step.parts;
    if (target !== undefined) assignInside(evaluation, target, evaluation.unknown(heads), before);
  }
  const env = new Map(before);
  if (step.kind === "loop" && step.target)
    bind(evaluation, step.target, evaluation.unknown(heads), env, step);
  const starts = new Map<string, Value>();
  for (const name of namesAssignedIn(step.body)) {
    const known = env.get(name);
    if (known === undefined) continue;
    const value = evaluation.unknown([known.value]);
    starts.set(name, value);
    evaluation.define(name, value, env, step);
  }
  const block = evaluation.newBlock(step.body, step.kind === "loop" ? "loop" : "opaque", step);
  const inner = runBlock(evaluation, block, new Map(env));
  for (const [name, definition] of inner.env) {
    const known = env.get(name);
    if (known === definition) continue;
    const start = starts.get(name);
    if (start !== undefined) evaluation.mayBe(start, definition.value);
    const sources = known === undefined ? [definition] : [known, definition];
    const value = evaluation.unknown(sources.map((one) => one.value));
    evaluation.define(name, value, env, step, sources);
  }
  return env;
}

function assign(evaluation: Evaluation, step: AssignStep, env: Env): void {
  const { target, operator } = step;
  let value = evaluate(evaluation, step.value, env);
  if (operator !== undefined && target.kind === "name") {
    const before = evaluation.read({ kind: "name", name: target.name, span: target.span }, env);
    // Of a tensor `a += b` writes into a, where `a + b` is a new one.
    value = evaluation.values.of({ kind: "operation", operator: `${operator}=`, operands: [before, value] });
  }
  bind(evaluation, target, value, env, step);
}

/** Gives a target its value. `step` is the statement that does; undefined for a parameter. */
export function bind(
  evaluation: Evaluation,
  target: Target,
  value: Value,
  env: Env,
  step: Step | undefined,
): void {
  const { values } = evaluation;
  switch (target.kind) {
    case "name":
      evaluation.define(target.name, value, env, step);
      break;
    case "tuple":
      target.items.forEach((item, i) => {
        if (item !== undefined) bind(evaluation, item, values.item(value, values.literal(i)), env, step);
      });
      break;
    case "record":
      for (const { property, target: inner } of target.fields) {
        bind(evaluation, inner, values.attribute(value, property), env, step);
      }
      break;
    case "rest":
      bind(evaluation, target.target, evaluation.unknown([value]), env, step);
      break;
    case "attribute":
    case "index":
      evaluate(evaluation, target.object, env);
      if (target.kind === "index") evaluate(evaluation, target.index, env);
      if (step !== undefined) evaluation.store(value, step);
      break;
    default:
      target satisfies never;
  }
}
