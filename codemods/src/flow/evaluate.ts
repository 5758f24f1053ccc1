import type {
  AssignStep,
  BranchStep,
  CallExpr,
  Expr,
  FunctionForm,
  NameExpr,
  Param,
  Step,
  Target,
} from "../form.ts";
import { type CallParts, isAboutStreams, normCall, viewCall } from "./tensor-calls.ts";
import type { Block, Definition, NormEvent, Read, StepTrace, Store, Trace } from "./trace.ts";
import { baseOf, type Value, ValueTable } from "./value.ts";

/** Finds what a call runs: a method of the same class, a function in reach. Undefined for anything else. */
export type FindFunction = (callee: Value) => FunctionForm | undefined;

type Env = Map<string, Definition>;
interface Closure {
  readonly params: readonly Param[];
  readonly body: readonly Step[];
  readonly env: Env;
}
/** `falls`: whether the code after the block is reached. */
interface Outcome {
  readonly env: Env;
  readonly falls: boolean;
  readonly result: Value | undefined;
}

const deepest = 4;

/** Works out what a function computes. `values` is shared by all functions that are to be compared. */
export function traceFunction(fn: FunctionForm, find: FindFunction, values = new ValueTable()): Trace {
  return new Evaluation(find, values).run(fn);
}

class Evaluation {
  readonly #find: FindFunction;
  readonly #values: ValueTable;
  readonly #closures = new Map<Value, Closure>();
  readonly #valueOf = new Map<Expr, Value>();
  readonly #orders = new Map<Expr, number>();
  readonly #steps = new Map<Step, StepTrace>();
  readonly #reads: Read[] = [];
  readonly #events: NormEvent[] = [];
  readonly #stores: Store[] = [];
  #order = 0;
  #unknowns = 0;
  /** How many calls deep the code being evaluated is inlined; 0 is the traced function itself. */
  #depth = 0;
  #site: Expr | undefined;
  #step!: Step;
  #block!: Block;
  #stream: Value | undefined;

  constructor(find: FindFunction, values: ValueTable) {
    this.#find = find;
    this.#values = values;
  }

  run(fn: FunctionForm): Trace {
    const body = this.#newBlock(fn.body, "body");
    this.#block = body;
    const env: Env = new Map();
    const params = fn.params.map((param, index) =>
      this.#values.of({ kind: "param", name: param.name, index }),
    );
    fn.params.forEach((param, i) => {
      this.#bind(
        param.pattern ?? { kind: "name", name: param.name, span: param.span },
        params[i]!,
        env,
        undefined,
      );
    });
    const { result, falls } = this.#runBlock(body, env);
    return {
      body,
      values: this.#valueOf,
      orders: this.#orders,
      steps: this.#steps,
      reads: this.#reads,
      events: this.#events,
      stores: this.#stores,
      result: falls ? undefined : result,
      params,
    };
  }

  #newBlock(steps: readonly Step[], kind: Block["kind"], step?: Step): Block {
    const parent = step === undefined ? undefined : { block: this.#block, step };
    return { steps, kind, parent, before: [], terminates: false };
  }

  #runBlock(block: Block, env: Env): Outcome {
    const outer = { block: this.#block, step: this.#step };
    this.#block = block;
    const outcome = this.#runFrom(block, 0, env);
    block.terminates = !outcome.falls;
    this.#block = outer.block;
    this.#step = outer.step;
    return outcome;
  }

  #runFrom(block: Block, from: number, start: Env): Outcome {
    let env = start;
    for (let i = from; i < block.steps.length; i++) {
      const step = block.steps[i]!;
      this.#step = step;
      this.#block = block;
      block.before[i] = new Map(env);
      if (this.#depth === 0) {
        this.#steps.set(step, { block, index: i, order: ++this.#order, assigned: [], hasEffect: false });
      }
      switch (step.kind) {
        case "assign":
          this.#assign(step, env);
          break;
        case "evaluate": {
          const value = this.#value(step.value, env);
          if (!isAboutStreams(value)) this.#effect(step);
          break;
        }
        case "return": {
          const result = step.value && this.#value(step.value, env);
          return { env, falls: false, result };
        }
        case "leave":
          if (step.value) this.#value(step.value, env);
          this.#effect(step);
          return { env, falls: false, result: undefined };
        case "branch": {
          const done = this.#branch(step, block, i, env);
          if (done.rest !== undefined) return done.rest;
          env = done.env;
          break;
        }
        case "scope": {
          const context = this.#value(step.context, env);
          const outer = this.#stream;
          if (isAboutStreams(context))
            this.#stream = context.kind === "call" ? (context.args[0] ?? context) : context;
          else this.#effect(step);
          const inner = this.#runBlock(this.#newBlock(step.body, "scope", step), env);
          this.#stream = outer;
          this.#step = step;
          if (!inner.falls) return inner;
          env = inner.env;
          break;
        }
        case "loop":
        case "opaque":
          env = this.#repeat(step, env);
          break;
        case "function": {
          const closure = this.#closure({ ...step.declared, env });
          this.#define(step.declared.name, closure, env, step);
          break;
        }
        default:
          step satisfies never;
      }
    }
    return { env, falls: true, result: undefined };
  }

  #effect(step: Step): void {
    const trace = this.#steps.get(step);
    if (trace !== undefined) trace.hasEffect = true;
  }

  /** Both arms, then what is the same after either. An arm that returns leaves the rest of the block to the other one. */
  #branch(step: BranchStep, block: Block, index: number, env: Env): { env: Env; rest?: Outcome } {
    const test = this.#value(step.test, env);
    const then = this.#runBlock(this.#newBlock(step.then, "then", step), new Map(env));
    const otherwise = this.#runBlock(this.#newBlock(step.otherwise, "otherwise", step), new Map(env));
    this.#step = step;
    if (then.falls && otherwise.falls) return { env: this.#merge(test, then.env, otherwise.env, step) };
    if (!then.falls && !otherwise.falls) {
      return { env, rest: { env, falls: false, result: this.#either(test, then.result, otherwise.result) } };
    }
    const [gone, stays] = then.falls ? [otherwise, then] : [then, otherwise];
    const rest = this.#runFrom(block, index + 1, stays.env);
    if (rest.falls) return { env, rest: { ...rest, result: undefined } };
    const isThrow = gone.result === undefined;
    const [a, b] = then.falls ? [rest.result, gone.result] : [gone.result, rest.result];
    return { env, rest: { ...rest, result: isThrow ? undefined : this.#either(test, a, b) } };
  }

  #either(test: Value, then: Value | undefined, otherwise: Value | undefined): Value | undefined {
    return then && otherwise && this.#values.choice(test, then, otherwise);
  }

  #merge(test: Value, then: Env, otherwise: Env, step: Step): Env {
    const merged: Env = new Map();
    for (const [name, a] of then) {
      const b = otherwise.get(name);
      if (b === undefined || a === b) merged.set(name, a);
      else this.#define(name, this.#values.choice(test, a.value, b.value), merged, step, [a, b]);
    }
    for (const [name, b] of otherwise) if (!then.has(name)) merged.set(name, b);
    return merged;
  }

  /** A body that may run any number of times: what it assigns is unknown before and after. */
  #repeat(step: Extract<Step, { kind: "loop" | "opaque" }>, before: Env): Env {
    this.#effect(step);
    for (const expr of step.kind === "loop" ? step.head : step.parts) this.#value(expr, before);
    const env = new Map(before);
    if (step.kind === "loop" && step.target) this.#bind(step.target, this.#unknown(), env, step);
    for (const name of assignedIn(step.body))
      if (env.has(name)) this.#define(name, this.#unknown(), env, step);
    const block = this.#newBlock(step.body, step.kind === "loop" ? "loop" : "opaque", step);
    const inner = this.#runBlock(block, new Map(env));
    this.#step = step;
    for (const [name, definition] of inner.env) {
      const known = env.get(name);
      if (known !== undefined && known !== definition) {
        this.#define(name, this.#unknown(), env, step, [known, definition]);
      }
    }
    return env;
  }

  #assign(step: AssignStep, env: Env): void {
    let value = this.#value(step.value, env);
    if (step.operator !== undefined && step.target.kind === "name") {
      const before = this.#name({ kind: "name", name: step.target.name, span: step.target.span }, env);
      value = this.#values.of({ kind: "operation", operator: step.operator, operands: [before, value] });
    }
    this.#bind(step.target, value, env, step);
  }

  #bind(target: Target, value: Value, env: Env, step: Step | undefined): void {
    switch (target.kind) {
      case "name":
        this.#define(target.name, value, env, step);
        break;
      case "tuple":
        target.items.forEach((item, i) => {
          if (item !== undefined)
            this.#bind(item, this.#values.item(value, this.#values.literal(i)), env, step);
        });
        break;
      case "record":
        for (const { property, target: inner } of target.fields) {
          this.#bind(inner, this.#values.attribute(value, property), env, step);
        }
        break;
      case "rest":
        this.#bind(target.target, this.#unknown(), env, step);
        break;
      case "attribute":
      case "index":
        this.#value(target.object, env);
        if (target.kind === "index") this.#value(target.index, env);
        if (step !== undefined) {
          this.#effect(step);
          if (this.#depth === 0) this.#stores.push({ value, step, order: ++this.#order });
        }
        break;
      default:
        target satisfies never;
    }
  }

  #define(
    name: string,
    value: Value,
    env: Env,
    step: Step | undefined,
    sources: readonly Definition[] = [],
  ): void {
    const definition = { name, value, step, block: this.#block, sources, reads: [] };
    env.set(name, definition);
    if (step !== undefined && this.#depth === 0) this.#steps.get(step)?.assigned.push(definition);
  }

  #unknown(): Value {
    return this.#values.of({ kind: "unknown", site: ++this.#unknowns + 100_000 * this.#depth + this.#order });
  }

  #value(expr: Expr, env: Env): Value {
    const order = ++this.#order;
    const value = this.#compute(expr, env);
    if (this.#depth === 0) {
      this.#valueOf.set(expr, value);
      this.#orders.set(expr, order);
    }
    return value;
  }

  #compute(expr: Expr, env: Env): Value {
    const values = this.#values;
    switch (expr.kind) {
      case "name":
        return this.#name(expr, env);
      case "self":
        return values.of({ kind: "self" });
      case "attribute": {
        const object = this.#value(expr.object, env);
        return expr.name === "shape"
          ? values.of({ kind: "shape", of: object })
          : values.attribute(object, expr.name);
      }
      case "call":
        return this.#call(expr, env);
      case "index":
        return values.item(this.#value(expr.object, env), this.#value(expr.index, env));
      case "tuple": {
        const items = expr.items.map((item) => this.#value(item, env));
        const [only] = expr.items;
        const spread = items.length === 1 && only?.kind === "opaque" && this.#valueOf.get(only.parts[0]!);
        return spread && spread.kind === "shape" ? spread : values.of({ kind: "tuple", items });
      }
      case "literal":
        return values.literal(expr.value);
      case "operation": {
        const operands = expr.operands.map((operand) => this.#value(operand, env));
        return values.of({ kind: "operation", operator: expr.operator, operands });
      }
      case "choice": {
        const test = this.#value(expr.test, env);
        return values.choice(test, this.#value(expr.then, env), this.#value(expr.otherwise, env));
      }
      case "await":
        return values.of({ kind: "await", of: this.#value(expr.value, env) });
      case "closure":
        this.#visitClosure(expr, env);
        return this.#closure({ params: expr.params, body: expr.body, env });
      case "opaque":
        for (const part of expr.parts) this.#value(part, env);
        return this.#unknown();
      default:
        return expr satisfies never;
    }
  }

  #name(expr: NameExpr, env: Env): Value {
    const definition = env.get(expr.name);
    if (definition === undefined) return this.#values.of({ kind: "free", name: expr.name });
    if (this.#depth === 0) {
      const read = { expr, definition, step: this.#step, block: this.#block, order: ++this.#order };
      this.#reads.push(read);
      for (const one of [definition, ...allSources(definition)]) one.reads.push(read);
    }
    return definition.value;
  }

  #closure(closure: Closure): Value {
    const value = this.#unknown();
    this.#closures.set(value, closure);
    return value;
  }

  /** A closure may run at any time, so each of its reads of outer variables counts where it is written. */
  #visitClosure(expr: Extract<Expr, { kind: "closure" }>, env: Env): void {
    const inner = new Set(expr.params.map(({ name }) => name));
    for (const read of namesIn(expr.body)) if (!inner.has(read.name)) this.#name(read, env);
  }

  #call(expr: CallExpr, env: Env): Value {
    const values = this.#values;
    const callee = this.#value(expr.callee, env);
    const args = expr.args.map((arg) => ({ ...arg, value: this.#value(arg.value, env) }));
    const parts: CallParts = { callee, args };
    const seen = viewCall(parts, values);
    if (seen !== undefined) return seen;
    const inlined = expr.construct ? undefined : this.#inline(expr, parts, env);
    if (inlined !== undefined) return inlined;
    const norm = expr.construct ? undefined : normCall(parts, values);
    if (norm !== undefined)
      return this.#normEvent(expr, values.of({ kind: "norm", ...norm }) as NormEvent["value"]);
    return values.of({ kind: "call", callee, args: args.map(({ value }) => value) });
  }

  #normEvent(call: CallExpr, value: NormEvent["value"]): Value {
    this.#events.push({
      value,
      call,
      site: this.#site ?? call,
      step: this.#step,
      block: this.#block,
      order: this.#order,
      inlined: this.#depth > 0,
      isOptional: call.optional || (call.callee.kind === "attribute" && call.callee.optional),
      stream: this.#stream,
    });
    return value;
  }

  /** The value of a call whose code is in reach and comes down to something the matcher knows. */
  #inline(expr: CallExpr, { callee, args }: CallParts, env: Env): Value | undefined {
    if (this.#depth >= deepest || args.some(({ spread }) => spread)) return undefined;
    const onStream = callee.kind === "attribute" && isAboutStreams(callee.object);
    const body =
      onStream && args.length === 1 ? this.#closures.get(args[0]!.value) : this.#closures.get(callee);
    const found: Closure | undefined = body ?? this.#declared(callee);
    if (found === undefined) return undefined;
    const bound: Env = new Map(found.env);
    const given = onStream ? [] : args;
    const saved = { step: this.#step, block: this.#block, site: this.#site, stream: this.#stream };
    const before = this.#events.length;
    this.#depth += 1;
    this.#site ??= expr;
    if (onStream) this.#stream = callee.kind === "attribute" ? callee.object : undefined;
    found.params.forEach((param, i) => {
      const arg =
        given.find(({ keyword }) => keyword === param.name) ?? given.filter(({ keyword }) => !keyword)[i];
      const value = arg?.value ?? (param.initial ? this.#compute(param.initial, env) : this.#unknown());
      this.#bind(
        param.pattern ?? { kind: "name", name: param.name, span: param.span },
        value,
        bound,
        undefined,
      );
    });
    const depthBlock: Block = { ...this.#newBlock(found.body, "body"), parent: undefined };
    const { result, falls } = this.#runBlock(depthBlock, bound);
    this.#depth -= 1;
    Object.assign(this, {});
    this.#restore(saved);
    const value = falls ? undefined : result;
    const owned = value && this.#ownership(callee, args, value, found);
    if (owned !== undefined) return owned;
    const normed = this.#events.slice(before);
    if (value === undefined || normed.length === 0 || !normed.some((event) => holds(value, event.value))) {
      if (onStream && value !== undefined) return value;
      this.#events.length = before;
      return undefined;
    }
    const own = normed.map((event) => ({
      ...event,
      step: this.#step,
      block: this.#block,
      order: this.#order,
    }));
    this.#events.splice(before, normed.length, ...own);
    return value;
  }

  #restore(saved: { step: Step; block: Block; site: Expr | undefined; stream: Value | undefined }): void {
    this.#step = saved.step;
    this.#block = saved.block;
    this.#site = saved.site;
    this.#stream = saved.stream;
  }

  #declared(callee: Value): Closure | undefined {
    const fn = this.#find(callee);
    return fn && !fn.isAsync ? { params: fn.params, body: fn.body, env: new Map() } : undefined;
  }

  /** `disposing(old, next)`: gives `next` back and calls something on `old`. */
  #ownership(callee: Value, args: CallParts["args"], value: Value, { body }: Closure): Value | undefined {
    const [old, next] = args.map((arg) => arg.value);
    if (args.length !== 2 || old === undefined || next === undefined || value !== next) return undefined;
    if (!body.some(({ kind }) => kind !== "return") || old === next) return undefined;
    return baseOf(next) === baseOf(old)
      ? next
      : this.#values.of({ kind: "owned", wrapper: callee, old, of: next });
  }
}

function holds(value: Value, part: Value): boolean {
  if (value === part) return true;
  switch (value.kind) {
    case "reshape":
    case "owned":
    case "await":
      return holds(value.of, part);
    case "tuple":
      return value.items.some((item) => holds(item, part));
    case "choice":
      return holds(value.then, part) || holds(value.otherwise, part);
    case "operation":
      return value.operands.some((operand) => holds(operand, part));
    case "call":
      return value.args.some((arg) => holds(arg, part)) || holds(value.callee, part);
    case "attribute":
      return holds(value.object, part);
    default:
      return false;
  }
}

function allSources(definition: Definition): readonly Definition[] {
  return definition.sources.flatMap((source) => [source, ...allSources(source)]);
}

function assignedIn(steps: readonly Step[]): readonly string[] {
  return steps.flatMap((step): readonly string[] => {
    switch (step.kind) {
      case "assign":
        return namesOf(step.target);
      case "branch":
        return [...assignedIn(step.then), ...assignedIn(step.otherwise)];
      case "scope":
      case "opaque":
        return assignedIn(step.body);
      case "loop":
        return [...(step.target ? namesOf(step.target) : []), ...assignedIn(step.body)];
      default:
        return [];
    }
  });
}

function namesOf(target: Target): readonly string[] {
  if (target.kind === "name") return [target.name];
  if (target.kind === "tuple") return target.items.flatMap((item) => (item ? namesOf(item) : []));
  if (target.kind === "record") return target.fields.flatMap(({ target: inner }) => namesOf(inner));
  return target.kind === "rest" ? namesOf(target.target) : [];
}

/** Every name read anywhere inside; a walk over plain data, so that no kind of node can be forgotten. */
function namesIn(node: unknown): readonly NameExpr[] {
  if (Array.isArray(node)) return node.flatMap(namesIn);
  if (typeof node !== "object" || node === null) return [];
  if ((node as { kind?: unknown }).kind === "name" && !("declares" in node)) return [node as NameExpr];
  return Object.values(node).flatMap(namesIn);
}
