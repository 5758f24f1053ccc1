import type { Block, NormEvent } from "../flow/trace.ts";
import { baseOf, type Value } from "../flow/value.ts";
import type { Expr, Step } from "../form.ts";
import { meaningOfSize, type SizeMeaning } from "../norms/norm-axis.ts";
import { refuseAliases } from "./aliases.ts";
import { pathTo, within } from "./expressions.ts";
import type { InlineMatch, RefusedMatch, Traced } from "./match.ts";
import { checkNorm, lastSize, type NormRules } from "./norm-rules.ts";
import { Refusal } from "./reasons.ts";
import { homeOf, type Side, sideAt, withoutNeeded } from "./side.ts";
import { pairKey, type SideName, sideOfName, sideOfValue } from "./side-of.ts";

/** Pairs of norms inside one function. `skip` tells the events that belong to a pair function found before. */
export function matchInline(
  at: Traced,
  rules: Omit<NormRules, "place">,
  skip: (event: NormEvent) => boolean,
): readonly (InlineMatch | RefusedMatch)[] {
  const events = at.trace.events.filter((event) => sideOfEvent(event) !== undefined && !skip(event));
  const groups = new Map<string, NormEvent[]>();
  for (const event of events) {
    const { block } = homeOf(event, at.trace);
    const key = `${blockKey(block)}/${pairKey(event.value.norm)}`;
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    if (!group.some(({ value }) => value === event.value)) group.push(event);
  }
  return [...groups.values()].flatMap((group) => matchGroup(group, events, at, { ...rules, place: at }));
}

export function sideOfEvent({ value }: NormEvent): SideName | undefined {
  return (
    sideOfValue(value.norm.kind === "attribute" ? { ...value.norm, object: nowhere } : value.norm) ??
    functionSide(value)
  );
}

const nowhere = { id: -1, kind: "self" } as const;

/** A function that norms by itself is of the side of what it is given: `manualRms(q, gamma, eps)`. */
function functionSide(value: NormEvent["value"]): SideName | undefined {
  return value.style === "function" ? sideOfValue(value.of) : undefined;
}

// A block has no name; its first step's place is as good as one.
function blockKey(block: Block): string {
  return `${block.kind}@${block.parent?.step.span.start ?? 0}`;
}

function matchGroup(
  group: readonly NormEvent[],
  all: readonly NormEvent[],
  at: Traced,
  rules: NormRules,
): readonly (InlineMatch | RefusedMatch)[] {
  const ofSide = (side: SideName) => group.filter((event) => sideOfEvent(event) === side);
  const [qs, ks] = [ofSide("q"), ofSide("k")];
  const first = qs[0] ?? ks[0];
  if (first === undefined) return [];
  // `ln_q(x)` alone is some layer called q: without a partner, what it is given has to speak of q or k too.
  const isAlone = new Set(all.map(sideOfEvent)).size === 1;
  if (isAlone && group.every((event) => !isGivenSide(event))) return [];
  try {
    return [pairUp(qs, ks, all, at, rules)];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const last = group.at(-1)!;
    const span = { start: first.step.span.start, end: Math.max(first.step.span.end, last.step.span.end) };
    return [{ kind: "refused", reason: error.reason, message: error.message, at, span }];
  }
}

/** Whether what the norm is given speaks of q or k, by its origin or by the name it goes under. */
function isGivenSide({ value, call }: NormEvent): boolean {
  const isNamed = call.args.some(
    ({ value: given }) =>
      pathTo(given, (one) => one.kind === "name" && sideOfName(one.name) !== undefined) !== undefined,
  );
  return isNamed || sideOfValue(value.of) !== undefined;
}

function pairUp(
  qs: readonly NormEvent[],
  ks: readonly NormEvent[],
  all: readonly NormEvent[],
  at: Traced,
  rules: NormRules,
): InlineMatch {
  const { trace } = at;
  // What the norms are comes first: it is the reason that a reader can do least about.
  const applied = (event: NormEvent, side: SideName, input = event.value.of) => ({
    ...event.value,
    side,
    input,
  });
  refuseDifferentDims(qs[0], ks[0]);
  const checked = [...qs, ...ks].map((event) => checkNorm(applied(event, sideOfEvent(event)!), rules));
  if (all.some((event) => sideOfEvent(event) === "v")) {
    throw new Refusal("third-norm", "v is normalised here as well, which the helper leaves alone");
  }
  const [qEvent, kEvent] = [qs[0], ks[0]];
  if (qEvent === undefined || kEvent === undefined) {
    const [present, missing] = qEvent === undefined ? ["k", "q"] : ["q", "k"];
    if (all.some((event) => sideOfEvent(event) === missing)) {
      throw new Refusal(
        "conditional-side",
        `${present} and ${missing} are not normalised under the same condition`,
      );
    }
    throw new Refusal("one-sided", `only ${present} is normalised here`);
  }
  if (qs.length > 1 || ks.length > 1) throw new Refusal("ambiguous", "one side is normalised more than once");
  refuseDifferentEps(
    checked.map(({ fact }) => fact.eps),
    at,
  );
  for (const event of [qEvent, kEvent]) {
    if (isInLoop(event.block) && baseOf(event.value.of).kind === "unknown") {
      throw new Refusal("ambiguous", "a loop normalises what it has normalised before");
    }
  }
  const [q, k] = withoutNeeded(sideOrAlias(qEvent, "q", at), sideOrAlias(kEvent, "k", at), trace);
  refuseMixedUp(q, "q", at);
  refuseMixedUp(k, "k", at);
  if (isNameless(q, at) !== isNameless(k, at)) {
    throw new Refusal("ambiguous", "one of the two tensors is not called q or k, and may be another one");
  }
  if (baseOf(q.input) === baseOf(k.input))
    throw new Refusal("ambiguous", "both norms are given the same tensor");
  const dims = [q, k].map(
    (side, i) => checkNorm(applied(side.event, i === 0 ? "q" : "k", side.input), rules).headDim,
  );
  const [headDim, kHeadDim] = dims;
  if (headDim !== kHeadDim && headDim !== undefined && kHeadDim !== undefined) {
    throw new Refusal("different-head-dim", "q and k have heads of different size");
  }
  const position = positionFor(q, k, at);
  const ownership = [...ownedParts(q, at), ...ownedParts(k, at)];
  const step = homeOf(q.event, trace).block.steps[position]!;
  const removed = [...removedBy(q), ...removedBy(k), ...ownership];
  for (const side of [q, k]) {
    const name = side === q ? "q" : "k";
    refuseAliases({
      input: side.input,
      side: name,
      trace,
      block: homeOf(side.event, trace).block,
      step,
      removed,
    });
  }
  const mayBeShared =
    ownership.length > 0 || [q, k].some(({ input }) => comesFromParam(input)) || freesInput(q, k, at);
  return {
    kind: "inline",
    at,
    q,
    k,
    headDim: headDim ?? kHeadDim,
    altStream: k.event.stream ?? q.event.stream ?? streamOf(all, k),
    position,
    allowInplace: !mayBeShared,
  };
}

/** A tensor that is still wanted is a weightier reason than its shape. */
function sideOrAlias(event: NormEvent, side: SideName, { trace }: Traced): Side {
  try {
    return sideAt(event, trace);
  } catch (error) {
    if (error instanceof Refusal && error.reason === "shape-changed") {
      const { block, step } = homeOf(event, trace);
      refuseAliases({ input: baseOf(event.value.of), side, trace, block, step, removed: [event.step.span] });
    }
    throw error;
  }
}

/** Whether nothing but the norm says which side this is. */
function isNameless(side: Side, { trace }: Traced): boolean {
  const names = [...namesOfInput(side, trace), ...side.targets.map(({ name }) => name)];
  return sideOfValue(side.input) === undefined && names.every((name) => sideOfName(name) === undefined);
}

function refuseDifferentDims(q: NormEvent | undefined, k: NormEvent | undefined): void {
  const [a, b] = [q, k].map((event) => event && lastSize(event.value.of));
  if (a === undefined || b === undefined || a === b || [a, b].some((size) => isNoHead(meaningOfSize(size))))
    return;
  throw new Refusal("different-head-dim", "q and k have heads of different size");
}

function isNoHead(meaning: SizeMeaning): boolean {
  return meaning === "row" || meaning === "head-count";
}

function isInLoop(block: Block): boolean {
  return block.kind === "loop" || (block.parent !== undefined && isInLoop(block.parent.block));
}

function streamOf(all: readonly NormEvent[], k: Side): Value | undefined {
  return all.find(({ value, stream }) => value === k.event.value && stream !== undefined)?.stream;
}

/** q's norm has to take q and give q. Where no name says which it is, the same variable has to go in and come out. */
function refuseMixedUp(side: Side, name: SideName, { trace }: Traced): void {
  const wrong = (what: string) => new Refusal("ambiguous", `the ${name} norm ${what}`);
  const outNames = side.targets.map((target) => target.name);
  const inNames = namesOfInput(side, trace);
  if (outNames.some((one) => (sideOfName(one) ?? name) !== name))
    throw wrong(`is assigned to \`${outNames.join(", ")}\``);
  const given = new Set(
    [sideOfValue(side.input), ...inNames.map(sideOfName)].filter((one) => one !== undefined),
  );
  if ([...given].some((one) => one !== name))
    throw wrong(`is given ${inNames.join(", ") || [...given].join(", ")}`);
  if (given.size > 0 || inNames.some((one) => outNames.includes(one))) return;
  if (outNames.length > 0 && outNames.every((one) => sideOfName(one) === undefined)) return;
  throw wrong(`is given ${inNames.join(", ") || "something"}, and nothing shows that this is ${name}`);
}

/** The variables that the norm's input is read from. */
function namesOfInput(side: Side, trace: Traced["trace"]): readonly string[] {
  const spans = removedBy(side);
  const reads = trace.reads.filter(
    ({ definition }) => definition.value === side.input || definition.value === baseOf(side.input),
  );
  return [
    ...new Set(
      reads.filter(({ expr }) => spans.some((span) => within(expr.span, span))).map(({ expr }) => expr.name),
    ),
  ];
}

function refuseDifferentEps(found: readonly (Expr | undefined)[], { form }: Traced): void {
  const texts = new Set(found.flatMap((eps) => (eps ? [form.text.slice(eps.span.start, eps.span.end)] : [])));
  const literals = found.filter((eps) => eps?.kind === "literal");
  if (literals.length === found.length && texts.size > 1) {
    throw new Refusal("ambiguous", `the two norms are built with different eps: ${[...texts].join(" and ")}`);
  }
}

/** Text that the plan replaces: there, reading the old tensor is not reading it again. */
export function removedBy(side: Side): readonly { start: number; end: number }[] {
  const whole = side.path?.at(-1)?.span ?? side.step.span;
  return [whole, ...side.temporaries.map(({ span }) => span)];
}

/** `disposing(q, norm(q))`: the first argument is to be freed, whatever the second one is called. */
function ownedParts(side: Side, { trace }: Traced): readonly { start: number; end: number }[] {
  const calls = (side.path ?? []).slice(0, -1).filter((expr) => expr.kind === "call");
  return calls.flatMap((call) => {
    const others = call.args.filter(({ span }) => !within(side.path!.at(-1)!.span, span));
    const passed = others.filter(({ value }) => trace.values.get(value) === side.input);
    if (passed.length === 0) return [];
    const value = trace.values.get(call);
    if (value?.kind === "owned" && value.old === side.input) return passed.map(({ span }) => span);
    throw new Refusal(
      "ownership",
      "old and new tensor go into one call, and what it frees could not be read",
    );
  });
}

function freesInput(q: Side, k: Side, { trace }: Traced): boolean {
  const inputs = [q.input, k.input];
  return [...trace.values].some(([expr, value]) => {
    const callee = value.kind === "call" && expr.kind === "call" ? value.callee : undefined;
    return callee?.kind === "attribute" && callee.name === "dispose" && inputs.includes(callee.object);
  });
}

/** Whether the caller may still hold the tensor. */
function comesFromParam(input: Value): boolean {
  return baseOf(input).kind === "param";
}

/** Where both inputs are ready and neither result is needed yet: at the first of the two steps, else at the second. */
function positionFor(q: Side, k: Side, at: Traced): number {
  const [blockQ, blockK] = [homeOf(q.event, at.trace).block, homeOf(k.event, at.trace).block];
  if (blockQ !== blockK)
    throw new Refusal("conditional-side", "q and k are not normalised in the same block");
  const [early, late] = q.index <= k.index ? [q, k] : [k, q];
  if (early.index === late.index) return early.index;
  if (isReadyAt(late, early.index, blockQ, at)) return early.index;
  if (early.targets.length > 0 && !isUsedBetween(early, late, blockQ, at)) return late.index;
  throw new Refusal("ambiguous", "q is needed before k is there, so no one place serves both");
}

/** Whether every variable that the input's expression reads has the same value before the step at `index`. */
function isReadyAt(side: Side, index: number, block: Block, { trace }: Traced): boolean {
  const before = block.before[index];
  if (before === undefined) return false;
  const spans = removedBy(side);
  const reads = trace.reads.filter(({ expr }) => spans.some((span) => within(expr.span, span)));
  const made = new Set(side.temporaries);
  return reads.every(({ expr, definition }) => {
    const maker = definition.step;
    if (maker !== undefined && (made.has(maker) || maker === side.step)) return true;
    return before.get(expr.name) === definition || definition.block.parent?.step === side.step;
  });
}

function isUsedBetween(early: Side, late: Side, block: Block, { trace }: Traced): boolean {
  const between = block.steps
    .slice(early.index + 1, late.index)
    .filter((step) => !late.temporaries.includes(step));
  const names = early.targets.map(({ name }) => name);
  const isRead = trace.reads.some(
    ({ expr, definition }) =>
      (definition.value === early.result || names.includes(definition.name)) &&
      between.some(({ span }) => within(expr.span, span)),
  );
  return isRead || between.some((step) => assignsOneOf(step, names, trace));
}

function assignsOneOf(step: Step, names: readonly string[], trace: Traced["trace"]): boolean {
  return trace.steps.get(step)?.assigned.some(({ name }) => names.includes(name)) ?? false;
}

/** The tuple that holds both results and nothing else, as in `return [qNormed, kNormed]`. */
export function sharedTuple(q: Side, k: Side): Extract<Expr, { kind: "tuple" }> | undefined {
  if (q.step !== k.step || q.path === undefined || k.path === undefined) return undefined;
  const tuple = q.path.at(-2);
  if (tuple?.kind !== "tuple" || tuple.items.length !== 2) return undefined;
  const [first, second] = tuple.items;
  const isQ = pathTo(first!, (expr) => expr === q.path!.at(-1)) !== undefined && first === q.path.at(-1);
  return isQ && second === k.path.at(-1) ? tuple : undefined;
}
