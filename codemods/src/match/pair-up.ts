import type { Block, NormEvent, Trace } from "../flow/trace.ts";
import { baseOf, type Value } from "../flow/value.ts";
import { meaningOfSize, type SizeMeaning } from "../norms/norm-axis.ts";
import type { Profile } from "../profiles/profile.ts";
import { refuseAliases } from "./aliases.ts";
import { refuseCompiled } from "./compiled.ts";
import { sideOfEvent } from "./given-side.ts";
import { holdersOf } from "./holders.ts";
import { refuseOtherLengths } from "./lengths.ts";
import type { InlineMatch, Traced } from "./match.ts";
import { refuseMixedUp } from "./mixed-up.ts";
import { refuseOtherCall, refuseOtherResult } from "./norm-call.ts";
import { checkAxis, checkKind, factOf, lastSize, type NormRules } from "./norm-rules.ts";
import { freesInput, ownedParts } from "./ownership.ts";
import { placementFor } from "./placement.ts";
import { Refusal } from "./reasons.ts";
import { homeOf, removedBy, type Side, sideAt, withoutNeeded } from "./side.ts";
import type { SideName } from "./side-of.ts";
import { refuseOtherSources } from "./sources.ts";
import { axesOf, headOrderOf } from "./tensor-axes.ts";
import { refuseMoreInBranch } from "./whole-branch.ts";

/** The norms of one block that may be a pair, and all others of the function. */
export interface PairCandidates {
  readonly qs: readonly NormEvent[];
  readonly ks: readonly NormEvent[];
  readonly all: readonly NormEvent[];
  readonly at: Traced;
  readonly rules: NormRules;
}

/** The one pair that the norms are. Throws `Refusal` when one call of the helper would not compute the same. */
export function pairUp(candidates: PairCandidates): InlineMatch {
  const { all, at, rules } = candidates;
  const { trace } = at;
  const [qEvent, kEvent] = eventsOf(candidates);
  refuseCompiled(at);
  refuseInLoop(qEvent);
  refuseInLoop(kEvent);
  refuseMoreInHelper(qEvent, "q");
  refuseMoreInHelper(kEvent, "k");
  refuseChangedNorms([qEvent, kEvent], trace);
  const [q, k] = withoutNeeded(sideOrAlias(qEvent, "q", at), sideOrAlias(kEvent, "k", at), trace);
  refuseMixedUp(q, k, at);
  if (baseOf(q.input) === baseOf(k.input))
    throw new Refusal("ambiguous", "both norms are given the same tensor");
  const headDim = checkAxis({ side: "q", value: qEvent.value, input: q.input }, rules);
  const kHeadDim = checkAxis({ side: "k", value: kEvent.value, input: k.input }, rules);
  if (headDim !== kHeadDim && headDim !== undefined && kHeadDim !== undefined) {
    throw new Refusal("different-head-dim", "q and k have heads of different size");
  }
  if (rules.profile.helper.path === undefined) {
    refuseOtherSources(q.input, k.input, rules.profile.helper.name, rules);
    refuseOtherLengths(q.input, k.input, rules.profile.helper.name);
  }
  for (const side of [q, k]) {
    refuseMoreInBranch(side, [q.result, k.result], trace);
  }
  const placement = placementFor(q, k, trace);
  const ownership = [...ownedParts(q, at), ...ownedParts(k, at)];
  const step = placement.block.steps[placement.index]!;
  const removed = [...removedBy(placement.q), ...removedBy(placement.k), ...ownership];
  for (const [side, { input, event }] of [
    ["q", q],
    ["k", k],
  ] as const) {
    const last = rules.profile.inPlace ? {} : { last: q.step.span.end < k.step.span.end ? k.step : q.step };
    refuseAliases({ input, side, trace, block: homeOf(event, trace).block, step, removed, ...last });
  }
  const inputs = { q: q.input, k: k.input };
  const { project } = rules;
  const { block } = placement;
  const holders =
    ownership.length > 0 || freesInput([q.input, k.input], at)
      ? { holder: "what frees them" }
      : holdersOf({ inputs, trace, place: at, project, profile: rules.profile, block, step, removed });
  return {
    kind: "inline",
    at,
    q: placement.q,
    k: placement.k,
    facts: { q: factOf(qEvent, rules), k: factOf(kEvent, rules) },
    headDim: headDim ?? kHeadDim,
    altStream: k.event.stream ?? q.event.stream ?? streamOf(all, k),
    block: placement.block,
    position: placement.index,
    ...holders,
    isHeadsFirst: isHeadsFirst(q.input, k.input, rules.profile),
  };
}

/** A function that normalises one side goes with its call: whatever else it does would be lost. */
function refuseMoreInHelper({ doesMore }: NormEvent, side: SideName): void {
  if (!doesMore) return;
  throw new Refusal("ambiguous", `the function that normalises ${side} does something else as well`);
}

/** Throws when the heads of q and k stand in different places, and the helper would have to be told of one. */
function isHeadsFirst(q: Value, k: Value, { headsFirst }: Profile): boolean {
  const [qFirst, kFirst] = [q, k].map((value) => headOrderOf(axesOf(value)) === "heads-first");
  if (qFirst !== kFirst && headsFirst === "option")
    throw new Refusal(
      "norm-not-per-head",
      "q has its heads elsewhere than k has, or it cannot be told where",
    );
  return qFirst === true && kFirst === true;
}

/** The one norm of each side. What the norms are comes first: it is the reason that a reader can do least about. */
function eventsOf({ qs, ks, all, at, rules }: PairCandidates): readonly [NormEvent, NormEvent] {
  refuseDifferentDims(qs[0], ks[0]);
  const facts = [...qs, ...ks].map((event) => {
    const fact = factOf(event, rules);
    const side = sideOfEvent(event)!;
    checkKind(fact, side, event.value.style, rules.profile);
    const call = { side, value: event.value, fact };
    refuseOtherCall(call, at, rules.profile);
    refuseOtherResult(event.value, call, at);
    return fact;
  });
  const [q, k] = [qs[0], ks[0]];
  if (q === undefined || k === undefined) {
    const [present, missing] = q === undefined ? ["k", "q"] : ["q", "k"];
    if (all.some((event) => sideOfEvent(event) === missing)) throw differentConditions();
    throw new Refusal("one-sided", `only ${present} is normalised here`);
  }
  for (const event of [...qs, ...ks]) {
    const { value } = event;
    checkAxis({ side: sideOfEvent(event)!, value, input: value.of }, rules);
  }
  if (qs.length > 1 || ks.length > 1) {
    const blocks = new Set([...qs, ...ks].map((event) => homeOf(event, at.trace).block));
    throw blocks.size > 1
      ? differentConditions()
      : new Refusal("ambiguous", "one side is normalised more than once");
  }
  refuseDifferentEps(facts.map(({ eps }) => eps));
  const sizes = new Set(facts.flatMap(({ sizeName }) => sizeName ?? []));
  if (sizes.size > 1)
    throw new Refusal("different-head-dim", `the two norms are built with ${[...sizes].join(" and ")}`);
  return [q, k];
}

function differentConditions(): Refusal {
  return new Refusal("conditional-side", "q and k are not normalised under the same condition");
}

/** `this.kNorm = other`, `this.kNorm.weight = w`: which norm runs depends on where the call stands. */
function refuseChangedNorms(events: readonly NormEvent[], trace: Trace): void {
  for (const { target } of [...trace.steps.keys()].filter((step) => step.kind === "assign")) {
    if (target.kind !== "attribute") continue;
    const object = trace.values.get(target.object);
    const isChanged = events.some(
      ({ value: { norm } }) => object === norm || ("name" in norm && norm.name === target.name),
    );
    if (isChanged) throw new Refusal("ambiguous", "a norm is changed in the function that applies it");
  }
}

function refuseInLoop(event: NormEvent): void {
  if (isInLoop(event.block) && baseOf(event.value.of).kind === "unknown") {
    throw new Refusal("ambiguous", "a loop normalises what it has normalised before");
  }
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

function refuseDifferentEps(found: readonly (string | undefined)[]): void {
  const texts = new Set(found.map((eps) => eps ?? "its default"));
  if (texts.size > 1) {
    throw new Refusal("ambiguous", `the two norms are built with different eps: ${[...texts].join(" and ")}`);
  }
}
