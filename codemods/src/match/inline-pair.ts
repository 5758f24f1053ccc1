import type { NormEvent } from "../flow/trace.ts";
import { isOwnMethod, sideGiven, sideOfEvent } from "./given-side.ts";
import { isOfInnerClass } from "./inner-classes.ts";
import type { InlineMatch, RefusedMatch, Traced } from "./match.ts";
import type { NormRules } from "./norm-rules.ts";
import { pairUp } from "./pair-up.ts";
import { Refusal } from "./reasons.ts";
import { homeOf } from "./side.ts";
import { isPartner, pairKey, type SideName, sideOfName } from "./side-of.ts";

/** Pairs of norms inside one function. `skip` tells the events that belong to a pair function found before. */
export function matchInline(
  at: Traced,
  rules: Omit<NormRules, "place" | "trace">,
  skip: (event: NormEvent) => boolean,
): readonly (InlineMatch | RefusedMatch)[] {
  const events = at.trace.events.filter(
    (event) => sideOfEvent(event) !== undefined && !skip(event) && !isOfInnerClass(event.call.span, at),
  );
  return groupsOf(events, at).flatMap((group) =>
    matchGroup(group, events, at, { ...rules, place: at, trace: at.trace }),
  );
}

/** Norms of one name: those of one block are a pair; what has no partner in its own block may have one in another. */
function groupsOf(events: readonly NormEvent[], { trace }: Traced): readonly (readonly NormEvent[])[] {
  const byName = grouped(events, ({ value }) =>
    isOwnMethod(value) ? value.callee.name : pairKey(value.norm),
  );
  return byName.flatMap((named) => {
    const blocks = grouped(named, (event) => homeOf(event, trace).block).map(eachValueOnce);
    const isPair = (group: readonly NormEvent[]) =>
      (["q", "k"] as const).every((side) => group.some((event) => sideOfEvent(event) === side));
    const lonely = blocks.filter((group) => !isPair(group)).flat();
    return [...blocks.filter(isPair), ...(lonely.length > 0 ? [lonely] : [])];
  });
}

function grouped<K>(events: readonly NormEvent[], keyOf: (event: NormEvent) => K): readonly NormEvent[][] {
  const groups = new Map<K, NormEvent[]>();
  for (const event of events) {
    const key = keyOf(event);
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  return [...groups.values()];
}

/** Both arms of a branch that only chooses a stream apply the same norm. */
function eachValueOnce(events: readonly NormEvent[]): readonly NormEvent[] {
  return events.filter(({ value }, i) => events.findIndex((event) => event.value === value) === i);
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
  const isAlone = new Set(all.map(sideOfEvent)).size === 1;
  if (isAlone && !group.some((event) => mayHavePartner(event, at))) return [];
  try {
    return [pairUp({ qs, ks, all, at, rules })];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const last = group.at(-1)!;
    const span = { start: first.step.span.start, end: Math.max(first.step.span.end, last.step.span.end) };
    return [{ kind: "refused", ...(thirdNorm(error, all) ?? told(error)), at, span }];
  }
}

/**
 * `ln_q(x)` alone is some layer called q. A norm without a partner in the function is one of a pair only if what it is
 * given speaks of q or k too, and it is called a norm of q, or the file knows the other one.
 */
function mayHavePartner(event: NormEvent, { form }: Traced): boolean {
  const { norm, style } = event.value;
  if (!("name" in norm) || sideOfName(norm.name) === undefined || sideGiven(event) === undefined)
    return false;
  if (style === "module" && /norm/i.test(norm.name)) return true;
  return [...form.mentions.keys()].some((name) => isPartner(name, norm.name));
}

function told({ reason, message }: Refusal): Pick<RefusedMatch, "reason" | "message"> {
  return { reason, message };
}

/** Where v is normalised as well, its norm may be what stands in the way of one place for q and k. */
function thirdNorm(
  { reason, message }: Refusal,
  all: readonly NormEvent[],
): Pick<RefusedMatch, "reason" | "message"> | undefined {
  const isInTheWay = reason === "ambiguous" || reason === "aliased-input";
  if (!isInTheWay || !all.some((event) => sideOfEvent(event) === "v")) return undefined;
  return { reason: "third-norm", message: `v is normalised here as well, and ${message}` };
}
