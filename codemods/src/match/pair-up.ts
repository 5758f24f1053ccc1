import type { Block, NormEvent } from "../flow/trace.ts";
import { baseOf, type Value } from "../flow/value.ts";
import type { Expr } from "../form.ts";
import { meaningOfSize, type SizeMeaning } from "../norms/norm-axis.ts";
import { refuseAliases } from "./aliases.ts";
import type { InlineMatch, Traced } from "./match.ts";
import { refuseMixedUp } from "./mixed-up.ts";
import { checkNorm, lastSize, type NormRules } from "./norm-rules.ts";
import { mayBeShared, ownedParts } from "./ownership.ts";
import { positionFor } from "./position.ts";
import { Refusal } from "./reasons.ts";
import { homeOf, removedBy, type Side, sideAt, withoutNeeded } from "./side.ts";
import { type SideName, sideOfEvent } from "./side-of.ts";

/** The norms of one block that may be a pair, and all others of the function. */
export interface PairCandidates {
  readonly qs: readonly NormEvent[];
  readonly ks: readonly NormEvent[];
  readonly all: readonly NormEvent[];
  readonly at: Traced;
  readonly rules: NormRules;
}

/** The one pair that the norms are. Throws `Refusal` when one call of the helper would not compute the same. */
export function pairUp({ qs, ks, all, at, rules }: PairCandidates): InlineMatch {
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
  refuseMixedUp(q, k, at);
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
  return {
    kind: "inline",
    at,
    q,
    k,
    headDim: headDim ?? kHeadDim,
    altStream: k.event.stream ?? q.event.stream ?? streamOf(all, k),
    position,
    allowInplace: ownership.length === 0 && !mayBeShared(q, k, at),
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

function refuseDifferentEps(found: readonly (Expr | undefined)[], { form }: Traced): void {
  const texts = new Set(found.flatMap((eps) => (eps ? [form.text.slice(eps.span.start, eps.span.end)] : [])));
  const literals = found.filter((eps) => eps?.kind === "literal");
  if (literals.length === found.length && texts.size > 1) {
    throw new Refusal("ambiguous", `the two norms are built with different eps: ${[...texts].join(" and ")}`);
  }
}
