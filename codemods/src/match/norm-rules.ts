import type { Trace } from "../flow/trace.ts";
import type { Value, ValueOf } from "../flow/value.ts";
import { ownerOf } from "../form/per-form.ts";
import type { Place } from "../languages/front-end.ts";
import { areOfOtherParts, meaningOfSize } from "../norms/norm-axis.ts";
import type { NormFact } from "../norms/norm-fact.ts";
import type { NormFacts } from "../norms/norm-facts.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { Refusal } from "./reasons.ts";
import type { SideName } from "./side-of.ts";
import { axesOf, headOrderOf } from "./tensor-axes.ts";
import { hasTransposed, isProjected } from "./transposed.ts";

/** One applied norm, as the rules see it. */
export interface AppliedNorm {
  readonly side: SideName;
  /** The applied norm as the flow has it. */
  readonly value: Pick<ValueOf<"norm">, "norm" | "of" | "style" | "callee" | "args">;
  /** The tensor that the helper is to be given. */
  readonly input: Value;
}

export interface NormRules {
  readonly profile: Profile;
  readonly facts: NormFacts;
  readonly project: Project;
  readonly place: Place;
  readonly trace: Trace;
}

/** Throws `Refusal` unless the helper computes exactly this norm, head by head. Gives the head dim if the code shows it. */
export function checkNorm(applied: AppliedNorm, rules: NormRules): Value | undefined {
  checkKind(factOf(applied, rules), applied.side, applied.value.style, rules.profile);
  return checkAxis(applied, rules);
}

/** What is known about an applied norm. */
export function factOf({ value }: Pick<AppliedNorm, "value">, { facts, place }: NormRules): NormFact {
  return value.style === "function"
    ? facts.functionFact(value.callee, value.args, place)
    : facts.factOf(value.norm, place);
}

/** Throws `Refusal` unless the helper computes norms of this kind. */
export function checkKind(
  fact: NormFact,
  side: SideName,
  style: "module" | "function",
  profile: Profile,
): void {
  const who = nameOf(fact, side);
  if (!profile.norms.includes(fact.kind)) throw kindRefusal(fact, who, profile);
  // A function has no attributes; that it is no module is said where it would be called.
  const required = style === "function" ? [] : profile.requiredAttributes;
  const missing = required.filter((name) => !fact.attributes.includes(name));
  if (missing.length > 0) {
    throw new Refusal(
      "unknown-norm",
      `${who} has no attribute ${missing.join(", ")}, which ${profile.helper.name} reads`,
    );
  }
  const unread = required.filter((name) => fact.unread?.includes(name));
  if (unread.length > 0) {
    throw new Refusal(
      "unknown-norm",
      `${who} never reads its ${unread.join(", ")}, by which ${profile.helper.name} computes`,
    );
  }
  if (fact.madeBy !== undefined)
    throw new Refusal(
      "unknown-norm",
      `${who} is what ${fact.madeBy}(...) makes of a function, which could not be read`,
    );
  if (fact.isAsync) throw new Refusal("unknown-norm", `${who} is asynchronous`);
}

function nameOf({ className }: NormFact, side: SideName): string {
  return `the ${side} norm${className === "" ? "" : ` (${className})`}`;
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
  if (kind === "unknown" && resolved.from === "code")
    return new Refusal(
      "unknown-norm",
      `${who} computes something that is not known to be an RMS norm${where}`,
    );
  if (kind === "unknown")
    return new Refusal("unknown-norm", `the class of ${who} could not be found or read`);
  return new Refusal("unknown-norm", `${who} is of kind ${kind}${where}, which ${name} does not compute`);
}

/**
 * The head dim, if the code shows it. Throws `norm-not-per-head` unless the last axis that the norm sees is one head.
 * Evidence: a reshape to `[..., D]`, or the size the norm is built with.
 */
export function checkAxis(applied: AppliedNorm, rules: NormRules): Value | undefined {
  const { input, side } = applied;
  const { of } = applied.value;
  const fact = factOf(applied, rules);
  const who = nameOf(fact, side);
  if (fact.axis === "row") {
    throw new Refusal("norm-not-per-head", `${who} is as wide as all heads together, not one head`);
  }
  if (fact.axis === "other") {
    throw new Refusal("norm-not-per-head", `${who} has a weight or an axis that is not one head`);
  }
  const axes = axesOf(of) ?? axesOf(input);
  if (hasTransposed(input, rules)) refuseOrder(headOrderOf(axesOf(input)), who, rules.profile);
  const last = lastSize(of) ?? lastSize(input) ?? firstPieceSize(input) ?? axes?.at(-1)?.size;
  if (last === undefined) {
    if (fact.axis === "head" || axes?.at(-1)?.of === "head dim") return undefined;
    if (isProjected(input)) {
      throw new Refusal(
        "norm-not-per-head",
        `${who} is given what the projection gives, before it is cut into heads`,
      );
    }
    throw new Refusal("norm-not-per-head", `nothing shows that ${who} sees one head at a time`);
  }
  if ("name" in last && fact.sizeName !== undefined && areOtherSizes(last.name, fact.sizeName, rules.place))
    throw new Refusal("norm-not-per-head", `${who} is ${fact.sizeName} wide, and sees rows of ${last.name}`);
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

/**
 * Whether one of the two sizes is that of a part of a head, and the class does not say that it is the other one under
 * another name.
 */
function areOtherSizes(seen: string, built: string, { form, fn }: Place): boolean {
  if (!areOfOtherParts(seen, built)) return false;
  const steps = ownerOf(fn, form)?.methods.flatMap(({ body }) => body) ?? [];
  return !steps.some(
    (step) =>
      step.kind === "assign" &&
      step.target.kind === "attribute" &&
      step.target.name === seen &&
      "name" in step.value &&
      step.value.name === built,
  );
}

/** A helper that is told where the heads stand has to be told right; one that calls the norms on what it is given needs not. */
function refuseOrder(
  order: ReturnType<typeof headOrderOf>,
  who: string,
  { headsFirst, helper }: Profile,
): void {
  if (order === "tokens-first" || headsFirst === "as-is" || (headsFirst === "option" && order !== undefined))
    return;
  const where =
    headsFirst === "refused"
      ? `which ${helper.name} does not take`
      : "and what order its axes have then could not be told";
  throw new Refusal(
    "norm-not-per-head",
    `${who} is applied after a transpose, where heads are not next to the head dim, ${where}`,
  );
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

/** `split(x, [headDim], -1)[0]`: what the first piece has on the last axis, if that is one head. */
function firstPieceSize(value: Value): Value | undefined {
  if (value.kind !== "item" || value.index.kind !== "literal" || value.index.value !== 0) return undefined;
  const call = value.of;
  if (call.kind !== "call" || call.callee.kind !== "attribute" || call.callee.name !== "split")
    return undefined;
  const [sizes, axis] = call.args.slice(-2);
  const isLast = axis?.kind === "literal" && axis.value === -1;
  const first = sizes?.kind === "tuple" ? sizes.items[0] : undefined;
  return isLast && first !== undefined && meaningOfSize(first) === "head-dim" ? first : undefined;
}

/** The last axis of a reshape, if it is one. */
export function lastSize(value: Value): Value | undefined {
  return value.kind === "reshape" && value.to.kind === "tuple" ? value.to.items.at(-1) : undefined;
}
