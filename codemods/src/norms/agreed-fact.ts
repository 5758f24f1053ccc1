import type { NormFact } from "./norm-fact.ts";

/** Several constructions: what they agree on. */
export function joinFacts(facts: readonly NormFact[], typed: NormFact | undefined): NormFact {
  const first = facts[0]!;
  const isShared = (property: "kind" | "axis") => facts.every((fact) => fact[property] === first[property]);
  const { eps: _, ...shared } = first;
  const eps = [...new Set(facts.flatMap((fact) => fact.eps ?? []))].sort().join(" or ");
  const agreed: NormFact = {
    ...shared,
    ...(eps !== "" && { eps }),
    kind: isShared("kind") ? first.kind : "unknown",
    axis: isShared("axis") ? first.axis : "unknown",
  };
  return agreed.resolved.from === "nothing" && typed !== undefined ? { ...typed, axis: agreed.axis } : agreed;
}

/**
 * A norm that is of one of these classes by its type, and is seen to be built in these ways: undefined where two of them are known to
 * compute different things, or nothing is known of a class.
 */
export function agreedFact(classes: readonly NormFact[], built: readonly NormFact[]): NormFact | undefined {
  const [first, ...others] = classes;
  if (first === undefined || first.kind === "unknown") return undefined;
  const strange = built.some(({ kind }) => kind !== first.kind && kind !== "unknown");
  if (strange || others.some(({ kind }) => kind !== first.kind)) return undefined;
  const fact: NormFact = {
    ...first,
    attributes: first.attributes.filter((name) =>
      others.every(({ attributes }) => attributes.includes(name)),
    ),
    isAsync: classes.some(({ isAsync }) => isAsync),
  };
  const ways = built.map(({ axis, sizeName, eps }) => ({
    ...fact,
    axis: fact.axis === "other" ? fact.axis : axis,
    ...(sizeName !== undefined && { sizeName }),
    ...(eps !== undefined && { eps }),
  }));
  return ways.length === 0 ? fact : joinFacts(ways, undefined);
}
