import { isAboutStreams } from "../flow/tensor-calls.ts";
import type { Block, Definition, NormEvent, Read, Trace } from "../flow/trace.ts";
import { baseOf, type Value } from "../flow/value.ts";
import type { CallExpr, Expr, Span, Step } from "../form/form.ts";
import { expressionsOf, isUnconditional, pathTo, within } from "../form/traversal.ts";
import { Refusal } from "./reasons.ts";

/** One half of a pair: from the tensor as it was to the normalised tensor in the same shape. */
export interface Side {
  readonly event: NormEvent;
  /** The tensor that the helper is to be given. */
  readonly input: Value;
  /** What the helper gives back for it. */
  readonly result: Value;
  /** Where the result is first there: a step of `block`, and in it the expression, unless the step is a whole branch. */
  readonly step: Step;
  readonly index: number;
  readonly path: readonly Expr[] | undefined;
  /** Steps that only lead up to the result, without `step` itself. */
  readonly temporaries: readonly Step[];
  /** The variable that the result is assigned to, when the step does nothing else. */
  readonly targets: readonly Definition[];
  /** Makes rows of the input, where the result stays rows: the helper gives the input's shape, and this is done after it. */
  readonly rows?: CallExpr;
}

/** The block and the step that an event belongs to, seen from outside of branches that only choose a stream. */
export function homeOf(event: NormEvent, trace: Trace): { block: Block; step: Step } {
  let home = { block: event.block, step: event.step };
  let candidate = home;
  while (candidate.block.parent !== undefined) {
    const { block, step } = candidate.block.parent;
    const merged = trace.steps.get(step)?.assigned ?? [];
    const isWhole = merged.some(({ value }) => isOf(value, event.value));
    const isStream = step.kind === "scope" && event.stream !== undefined;
    candidate = { block, step };
    if (isWhole || isStream) home = candidate;
    else if (step.kind !== "scope" && step.kind !== "branch") break;
  }
  return home;
}

/** Throws `Refusal`. */
export function sideAt(event: NormEvent, trace: Trace): Side {
  if (event.step.kind === "evaluate" && event.step.value === event.call)
    throw new Refusal("unknown-norm", "the norm writes into the tensor that it is given");
  const { block } = homeOf(event, trace);
  const { input, result, rows } = endsOf(event, trace);
  const carrier = carrierOf(result, block, trace);
  if (carrier === undefined) {
    throw new Refusal("ambiguous", "the normalised tensor is made in more than one place");
  }
  const { step, index, path } = carrier;
  if (event.isOptional || (path !== undefined && !isUnconditional(path))) {
    throw new Refusal("conditional-side", "the norm runs only if a condition holds inside the expression");
  }
  const temporaries = leadingTo({ step, path, block, trace, chain: chainOf(event, input, result, trace) });
  const whole = path === undefined ? undefined : wholeValue(step);
  const isSeen = path === undefined || (whole !== undefined && trace.values.get(whole) === result);
  const isAssigned = isSeen && sameStatement(step, trace).length === 1;
  const targets = isAssigned
    ? (trace.steps.get(step)?.assigned ?? []).filter(({ value }) => value === result)
    : [];
  return { event, input, result, step, index, path, temporaries, targets, ...(rows && { rows }) };
}

function wholeValue(step: Step): Expr | undefined {
  return step.kind === "assign" && step.operator === undefined && step.declares !== "using"
    ? step.value
    : undefined;
}

/** From which tensor to which the step goes: rows of heads and back again count as one. */
function endsOf(event: NormEvent, trace: Trace): Pick<Side, "input" | "result" | "rows"> {
  const { value } = event;
  const given = value.of;
  const isRows = given.kind === "reshape" && isFlatRows(given.to);
  const after = [...new Set(trace.values.values()), ...allValues(trace)].filter(
    (one) => one.kind === "reshape" && one.of === value,
  );
  for (const one of after) {
    if (one.kind !== "reshape") continue;
    if (one.to.kind === "shape" && baseOf(one.to.of) === baseOf(given))
      return { input: one.to.of, result: one };
    const before = [...trace.values.values()].find(
      (seen) => seen.kind === "reshape" && seen.of === baseOf(given) && seen.to === one.to,
    );
    if (isRows && before !== undefined) return { input: before, result: one };
  }
  const rows = isRows && !event.inlined ? rowsMadeBy(given, trace) : undefined;
  if (rows !== undefined) return { ...rows, result: value };
  if (isRows || holdsRows(given)) {
    throw new Refusal("shape-changed", "the result does not come back in the shape of the input");
  }
  return { input: given, result: value };
}

/** The call that makes the rows, `q.reshape(-1, D)`, and what it makes them of. */
function rowsMadeBy(rows: Value, trace: Trace): { rows: CallExpr; input: Value } | undefined {
  for (const [expr, value] of trace.values) {
    if (value !== rows || expr.kind !== "call") continue;
    const tensor = reshapedBy(expr, (one) => trace.values.get(one));
    const input = tensor && trace.values.get(tensor);
    if (input !== undefined) return { rows: expr, input };
  }
  return undefined;
}

/** The expression of the tensor that a reshape is called on, or given. */
export function reshapedBy(
  { callee, args }: CallExpr,
  seen: (expr: Expr) => Value | undefined,
): Expr | undefined {
  const whole = seen(callee);
  const isOfModule = whole?.kind !== "attribute" || whole.object.kind === "free";
  return isOfModule || callee.kind !== "attribute" ? args[0]?.value : callee.object;
}

/** Rows under another computation: `norm(relu(rows(q)))`. */
function holdsRows(value: Value): boolean {
  if (value.kind === "reshape") return isFlatRows(value.to);
  if (value.kind !== "call") return false;
  return (
    value.args.some((arg) => arg.kind !== "call" && holdsRows(arg)) ||
    (value.callee.kind === "attribute" && holdsRows(value.callee.object))
  );
}

/** Values of definitions, which a merge of two arms may hold without any expression that does. */
function allValues(trace: Trace): readonly Value[] {
  return [...trace.steps.values()].flatMap(({ assigned }) => assigned.map(({ value }) => value));
}

/** `[-1, D]`: all heads of all tokens, one after the other. */
export function isFlatRows(to: Value): boolean {
  if (to.kind !== "tuple" || to.items.length !== 2) return false;
  const [rows] = to.items;
  return rows?.kind === "literal" && rows.value === -1;
}

function carrierOf(
  result: Value,
  block: Block,
  trace: Trace,
): Pick<Side, "step" | "index" | "path"> | undefined {
  for (const [index, step] of block.steps.entries()) {
    for (const expr of expressionsOf(step)) {
      const path = pathTo(expr, (one) => trace.values.get(one) === result);
      if (path !== undefined) return { step, index, path };
    }
    const assigned = trace.steps.get(step)?.assigned ?? [];
    const isCompound = step.kind === "branch" || step.kind === "scope";
    if (isCompound && (assigned.some(({ value }) => value === result) || setsInScope(step, result, trace))) {
      return { step, index, path: undefined };
    }
  }
  return undefined;
}

function setsInScope(step: Step, result: Value, trace: Trace): boolean {
  if (step.kind !== "scope") return false;
  return step.body.some((inner) => trace.steps.get(inner)?.assigned.some(({ value }) => value === result));
}

function isOf(value: Value, part: Value): boolean {
  return (
    value === part ||
    (value.kind === "reshape" && value.of === part) ||
    (value.kind === "owned" && value.of === part)
  );
}

/** Everything between input and result: only steps that compute one of these can go. */
function chainOf(event: NormEvent, input: Value, result: Value, trace: Trace): ReadonlySet<Value> {
  const chain = new Set<Value>([event.value, result]);
  if (event.value.of !== input) chain.add(event.value.of);
  for (const value of trace.values.values()) {
    if (value.kind === "shape" && baseOf(value.of) === baseOf(input)) chain.add(value);
    if (value.kind === "call" && isAboutStreams(value)) chain.add(value);
    if (value.kind === "attribute" && isAboutStreams(value)) chain.add(value);
  }
  return chain;
}

interface Search {
  readonly step: Step;
  readonly path: readonly Expr[] | undefined;
  readonly block: Block;
  readonly trace: Trace;
  readonly chain: ReadonlySet<Value>;
}

/** Steps before the carrier whose variables nothing else reads. */
function leadingTo({ step, path, block, trace, chain }: Search): readonly Step[] {
  const inside = path?.at(-1)?.span ?? step.span;
  const found = new Set<Step>();
  const pending: Read[] = trace.reads.filter(({ expr }) => within(expr.span, inside));
  for (let read = pending.pop(); read !== undefined; read = pending.pop()) {
    for (const definition of [read.definition, ...read.definition.sources]) {
      const maker = definition.step;
      if (maker === undefined || maker === step || found.has(maker)) continue;
      if (trace.steps.get(maker)?.block !== block || !chain.has(definition.value)) continue;
      found.add(maker);
      pending.push(...trace.reads.filter(({ expr }) => within(expr.span, maker.span)));
    }
  }
  return [...found];
}

/**
 * Both sides, with those of their leading steps that really can go: each variable of such a step is read only by the two
 * results and by other steps that go. Throws when a norm's own step would have to stay and run a second time.
 */
export function withoutNeeded(q: Side, k: Side, trace: Trace): readonly [Side, Side] {
  const results = [q, k].map(({ path, step }) => path?.at(-1)?.span ?? step.span);
  let going = [...new Set([...q.temporaries, ...k.temporaries])].filter((step) => isPure(step, trace));
  for (;;) {
    const spans = [...results, ...going.map(({ span }) => span)];
    const left = going.filter(
      (step) =>
        isReadOnlyIn(step, spans, trace) && sameStatement(step, trace).every((one) => going.includes(one)),
    );
    if (left.length === going.length) break;
    going = left;
  }
  for (const { event, step } of [q, k]) {
    const { step: home } = homeOf(event, trace);
    if (home !== step && !going.includes(home)) {
      throw new Refusal("ambiguous", "what the norm gives is also used in another shape");
    }
  }
  const only = (side: Side): Side => ({
    ...side,
    temporaries: side.temporaries.filter((one) => going.includes(one)),
  });
  return [only(q), only(k)];
}

/** The steps of one statement of the source: `a = b = v` has two. */
function sameStatement(step: Step, trace: Trace): readonly Step[] {
  const { start, end } = step.span;
  const steps = trace.steps.get(step)?.block.steps ?? [step];
  return steps.filter(({ span }) => span.start === start && span.end === end);
}

function isPure(step: Step, trace: Trace): boolean {
  const isAssigning = step.kind === "assign" || step.kind === "branch" || step.kind === "scope";
  return isAssigning && trace.steps.get(step)?.hasEffect === false;
}

function isReadOnlyIn(step: Step, spans: readonly Span[], trace: Trace): boolean {
  const assigned = trace.steps.get(step)?.assigned ?? [];
  return assigned.every(({ reads }) =>
    reads.every(({ expr }) => spans.some((span) => within(expr.span, span))),
  );
}

/** Text that the plan replaces: there, reading the old tensor is not reading it again. */
export function removedBy(side: Side): readonly { start: number; end: number }[] {
  const whole = side.path?.at(-1)?.span ?? side.step.span;
  return [whole, ...side.temporaries.map(({ span }) => span)];
}
