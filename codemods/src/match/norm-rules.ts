import type { Value } from "../flow/value.ts";
import type { NormFact } from "../norm-fact.ts";
import { meaningOfSize } from "../norms/norm-axis.ts";
import type { NormFacts, Place } from "../norms/norm-facts.ts";
import type { Profile } from "../profile.ts";
import { layersOf } from "./aliases.ts";
import { Refusal } from "./reasons.ts";
import type { SideName } from "./side-of.ts";

/** One applied norm, as the rules see it. */
export interface AppliedNorm {
  readonly side: SideName;
  /** The norm, what it was given, and further arguments if it is a function. */
  readonly norm: Value;
  readonly of: Value;
  readonly style: "module" | "function";
  readonly extra: readonly Value[];
  /** The tensor that the helper is to be given. */
  readonly input: Value;
}

export interface NormRules {
  readonly profile: Profile;
  readonly facts: NormFacts;
  readonly place: Place;
}

/** Throws `Refusal` unless the helper computes exactly this norm, head by head. Gives the head dim if the code shows it. */
export function checkNorm(
  applied: AppliedNorm,
  { profile, facts, place }: NormRules,
): {
  fact: NormFact;
  headDim: Value | undefined;
} {
  const fact = facts.factOf(applied.norm, place);
  const who = `the ${applied.side} norm${fact.className === "" ? "" : ` (${fact.className})`}`;
  if (applied.style === "function") {
    throw new Refusal(
      "unknown-norm",
      `${who} is a function of several arguments, not a module with a forward of one`,
    );
  }
  if (!profile.norms.includes(fact.kind)) throw kindRefusal(fact, who, profile);
  const missing = profile.requiredAttributes.filter((name) => !fact.attributes.includes(name));
  if (missing.length > 0) {
    throw new Refusal(
      "unknown-norm",
      `${who} has no attribute ${missing.join(", ")}, which ${profile.helper.name} reads`,
    );
  }
  if (fact.isAsync) throw new Refusal("unknown-norm", `${who} is asynchronous`);
  return { fact, headDim: headDimOf(applied, fact, who) };
}

function kindRefusal({ kind, resolved }: NormFact, who: string, { helper }: Profile): Refusal {
  const name = helper.name;
  const where = resolved.from === "code" ? ` (${resolved.path}:${resolved.line})` : "";
  if (kind === "unit-offset") {
    return new Refusal(
      "unit-offset-norm",
      `${who} multiplies by (1 + weight)${where}; ${name} multiplies by the weight`,
    );
  }
  if (kind === "layer")
    return new Refusal("layer-norm", `${who} subtracts the mean${where}; ${name} is RMS only`);
  if (kind === "unknown")
    return new Refusal("unknown-norm", `the class of ${who} could not be found or read`);
  return new Refusal("unknown-norm", `${who} is of kind ${kind}${where}, which ${name} does not compute`);
}

/** The last axis that the norm sees has to be one head. Evidence: a reshape to `[..., D]`, or the size the norm is built with. */
function headDimOf({ of, input }: AppliedNorm, fact: NormFact, who: string): Value | undefined {
  if (fact.axis === "row") {
    throw new Refusal("norm-not-per-head", `${who} is as wide as all heads together, not one head`);
  }
  if (layersOf(input).some(isTransposed)) {
    throw new Refusal(
      "norm-not-per-head",
      `${who} is applied after a transpose, where heads are not next to the head dim`,
    );
  }
  const last = lastSize(of) ?? lastSize(input);
  if (last === undefined) {
    if (fact.axis === "head") return undefined;
    throw new Refusal("norm-not-per-head", `nothing shows that ${who} sees one head at a time`);
  }
  if (isRestPerHead(of) || isRestPerHead(input)) return undefined;
  const meaning = meaningOfSize(last);
  const isNamedAlike = "name" in last && last.name === fact.sizeName;
  if (meaning !== "head-dim" && !isNamedAlike) {
    throw new Refusal(
      "norm-not-per-head",
      `${who} sees a last axis that is not one head, or not known to be`,
    );
  }
  return last;
}

/** `[B, L, heads, -1]`: what is left of a row when it is cut into heads. */
function isRestPerHead(value: Value): boolean {
  if (value.kind !== "reshape" || value.to.kind !== "tuple") return false;
  const [heads, rest] = value.to.items.slice(-2);
  return (
    rest?.kind === "literal" &&
    rest.value === -1 &&
    heads !== undefined &&
    meaningOfSize(heads) === "head-count"
  );
}

/** The last axis of a reshape, if it is one. */
export function lastSize(value: Value): Value | undefined {
  return value.kind === "reshape" && value.to.kind === "tuple" ? value.to.items.at(-1) : undefined;
}

function isTransposed(value: Value): boolean {
  const callee = value.kind === "call" ? value.callee : undefined;
  return (
    callee?.kind === "attribute" && /^(?:transpose|transposeAxes|permute|swapaxes|movedim)$/.test(callee.name)
  );
}
