import type { CallExpr, Expr, FunctionForm, NameExpr, Param, Span, Step } from "../form/form.ts";
import { namesNorm } from "./tensor-calls.ts";
import type { Block, Capture, Definition, NormEvent, Read, StepTrace, Store, Trace } from "./trace.ts";
import type { Value, ValueTable } from "./value.ts";

/**
 * Finds what a call runs: a method of the same class, a function in reach. Undefined for anything else. A call of kind `wrapper` has
 * two forms of one tensor as its arguments, or is given a norm or a closure, so that even a function without a norm matters: it may free
 * the tensor, or apply the norm.
 */
export type FindFunction = (callee: Value, kind: "plain" | "wrapper") => FunctionForm | undefined;

/** What a call comes to. Calls run code that holds expressions, so that the one has to be handed to the other. */
export type EvaluateCall = (evaluation: Evaluation, call: CallExpr, env: Env) => Value;

/** The variables at one place. */
export type Env = Map<string, Definition>;

export interface Closure {
  readonly fn: FunctionForm;
  readonly params: readonly Param[];
  readonly body: readonly Step[];
  readonly env: Env;
}

/** Where the evaluation stands. */
interface Place {
  step: Step;
  block: Block;
  /** The call of the traced function that leads into the inlined code; undefined outside of any. */
  site: Expr | undefined;
  stream: Value | undefined;
  /** The function whose code it is in. */
  fn: FunctionForm;
}

/** The state of one evaluation: where it stands, and what was written down. Inlined code leaves nothing but its norms. */
export class Evaluation {
  readonly find: FindFunction;
  readonly evaluateCall: EvaluateCall;
  readonly values: ValueTable;
  readonly closures = new Map<Value, Closure>();
  readonly events: NormEvent[] = [];
  readonly valueOf = new Map<Expr, Value>();
  readonly #orders = new Map<Expr, number>();
  readonly #steps = new Map<Step, StepTrace>();
  readonly #reads: Read[] = [];
  readonly #stores: Store[] = [];
  readonly #definitions: Definition[] = [];
  readonly #captures: Capture[] = [];
  readonly #contents = new Map<Value, Value[]>();
  readonly #snapshots = new WeakMap<Env, ReadonlyMap<string, Definition>>();
  /** How many calls deep the code being evaluated is inlined; 0 is the traced function itself. */
  depth = 0;
  /** How many calls have been inlined so far. */
  inlined = 0;
  /** How many steps of inlined code did something else than to compute local variables. */
  effectsInlined = 0;
  at!: Place;
  #order = 0;
  #unknowns = 0;

  constructor(find: FindFunction, evaluateCall: EvaluateCall, values: ValueTable) {
    this.find = find;
    this.evaluateCall = evaluateCall;
    this.values = values;
  }

  trace(body: Block, params: readonly Value[], result: Value | undefined): Trace {
    return {
      body,
      params,
      result,
      values: this.valueOf,
      orders: this.#orders,
      steps: this.#steps,
      reads: this.#reads,
      events: this.events,
      stores: this.#stores,
      definitions: this.#definitions,
      captures: this.#captures,
      closures: this.closures,
      contents: this.#contents,
    };
  }

  newBlock(steps: readonly Step[], kind: Block["kind"], step?: Step): Block {
    const parent = step === undefined ? undefined : { block: this.at.block, step };
    return { steps, kind, parent, before: [], terminates: false };
  }

  /** Comes to a step of a block. */
  begin(step: Step, block: Block, index: number, env: Env): void {
    this.at.step = step;
    this.at.block = block;
    if (this.depth > 0) return;
    block.before[index] = this.#snapshot(env);
    this.#steps.set(step, { block, index, order: this.nextOrder(), assigned: [], hasEffect: false });
  }

  /** The variables as they are; steps that change none share one copy, since functions have many steps and many variables. */
  #snapshot(env: Env): ReadonlyMap<string, Definition> {
    let copy = this.#snapshots.get(env);
    if (copy === undefined) {
      copy = new Map(env);
      this.#snapshots.set(env, copy);
    }
    return copy;
  }

  /** A variable goes at the end of its block, or is again what it was outside. */
  restore(name: string, before: Definition | undefined, env: Env): void {
    this.#snapshots.delete(env);
    if (before === undefined) env.delete(name);
    else env.set(name, before);
  }

  /** The step does something else than to compute local variables. */
  effect(step: Step): void {
    if (this.depth > 0) this.effectsInlined += 1;
    const trace = this.#steps.get(step);
    if (trace !== undefined) trace.hasEffect = true;
  }

  define(
    name: string,
    value: Value,
    env: Env,
    step: Step | undefined,
    sources: readonly Definition[] = [],
  ): void {
    const definition = { name, value, step, block: this.at.block, sources, reads: [] };
    this.#snapshots.delete(env);
    env.set(name, definition);
    if (this.depth > 0) return;
    this.#definitions.push(definition);
    if (step !== undefined) this.#steps.get(step)?.assigned.push(definition);
  }

  read(expr: NameExpr, env: Env): Value {
    const definition = env.get(expr.name);
    if (definition === undefined) return this.values.of({ kind: "free", name: expr.name });
    if (this.depth === 0) {
      const { step, block } = this.at;
      const read = { expr, definition, step, block, order: this.nextOrder() };
      this.#reads.push(read);
      for (const one of withSources(definition)) one.reads.push(read);
    }
    return definition.value;
  }

  store(value: Value, step: Step): void {
    this.effect(step);
    if (this.depth === 0) this.#stores.push({ value, step, order: this.nextOrder() });
  }

  note(expr: Expr, value: Value, order: number): void {
    if (this.depth > 0) return;
    this.valueOf.set(expr, value);
    this.#orders.set(expr, order);
  }

  norm(call: CallExpr, value: NormEvent["value"]): Value {
    const { step, block, site, stream, fn } = this.at;
    this.events.push({
      value,
      call,
      step,
      block,
      stream,
      home: fn,
      site: site ?? call,
      order: this.#order,
      inlined: this.depth > 0,
      doesMore: false,
      isOptional: call.optional || (call.callee.kind === "attribute" && call.callee.optional),
    });
    return value;
  }

  /** A norm that is a function without a weight, times the weight of q's or k's norm: still one norm. */
  weigh(factors: readonly Value[]): Value | undefined {
    const norm = factors.find((factor) => factor.kind === "norm");
    const weight = factors.find(namesNorm);
    const isBare = norm?.style === "function" && norm.norm === norm.callee;
    const index = this.events.findLastIndex((event) => event.value === norm);
    if (factors.length !== 2 || !isBare || weight === undefined || index === -1) return undefined;
    const value = this.values.of({
      ...norm,
      norm: weight,
      args: [...norm.args, weight],
    }) as NormEvent["value"];
    this.events[index] = { ...this.events[index]!, value };
    return value;
  }

  /** `sees`: what its defaults and the variables around it hold where it is written. */
  closure(closure: Closure, sees: readonly Value[]): Value {
    const value = this.unknown(sees);
    this.closures.set(value, closure);
    return value;
  }

  /** The variables around it that a closure reads. */
  capture(names: ReadonlySet<string>, span: Span): void {
    if (this.depth === 0) this.#captures.push({ names, span, order: this.nextOrder() });
  }

  /** A value of which nothing is known but what it may be, or hold. */
  unknown(contents: readonly Value[] = []): Value {
    const value = this.values.of({
      kind: "unknown",
      site: ++this.#unknowns + 100_000 * this.depth + this.#order,
    });
    this.#contents.set(value, [...contents]);
    return value;
  }

  /** The unknown value may also be this one. */
  mayBe(unknown: Value, other: Value): void {
    this.#contents.get(unknown)?.push(other);
  }

  nextOrder(): number {
    this.#order += 1;
    return this.#order;
  }

  get lastOrder(): number {
    return this.#order;
  }
}

/** The definition and all that it may stand for: branches after branches share most of it. */
function withSources(definition: Definition): ReadonlySet<Definition> {
  const all = new Set([definition]);
  for (const one of all) for (const source of one.sources) all.add(source);
  return all;
}
