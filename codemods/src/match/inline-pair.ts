import type { Block, NormEvent } from "../flow/trace.ts";
import { pathTo } from "./expressions.ts";
import type { InlineMatch, RefusedMatch, Traced } from "./match.ts";
import type { NormRules } from "./norm-rules.ts";
import { pairUp } from "./pair-up.ts";
import { Refusal } from "./reasons.ts";
import { homeOf } from "./side.ts";
import { pairKey, type SideName, sideOfEvent, sideOfName, sideOfValue } from "./side-of.ts";

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
    return [pairUp({ qs, ks, all, at, rules })];
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
