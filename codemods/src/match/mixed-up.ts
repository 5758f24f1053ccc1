import { baseOf, type Value, type ValueOf } from "../flow/value.ts";
import { within } from "../form/traversal.ts";
import type { Traced } from "./match.ts";
import { Refusal } from "./reasons.ts";
import { removedBy, type Side } from "./side.ts";
import { type SideName, sideOfName, sideOfValue } from "./side-of.ts";
import { sameAxes } from "./tensor-axes.ts";

/** Throws `ambiguous` unless q's norm takes q and gives q, and k's norm k. */
export function refuseMixedUp(q: Side, k: Side, at: Traced): void {
  refuseOtherSide(q, "q", at);
  refuseOtherSide(k, "k", at);
  if (isNameless(q, at) !== isNameless(k, at)) {
    throw new Refusal("ambiguous", "one of the two tensors is not called q or k, and may be another one");
  }
}

/** Where no name says which side it is, the same variable has to go in and come out. */
function refuseOtherSide(side: Side, name: SideName, { trace }: Traced): void {
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

/** Whether nothing but the norm says which side this is. */
function isNameless(side: Side, { trace }: Traced): boolean {
  const names = [...namesOfInput(side, trace), ...side.targets.map(({ name }) => name)];
  return sideOfValue(side.input) === undefined && names.every((name) => sideOfName(name) === undefined);
}

/** A tensor, and what it is a cast of: `q.float()`. */
function uncast(value: Value): readonly Value[] {
  const base = baseOf(value);
  const isCast = base.kind === "call" && base.callee.kind === "attribute" && sameAxes.test(base.callee.name);
  return [value, base, ...(isCast ? uncast((base.callee as ValueOf<"attribute">).object) : [])];
}

/** The variables that the norm's input is read from. */
function namesOfInput(side: Side, trace: Traced["trace"]): readonly string[] {
  const spans = removedBy(side);
  const inputs = new Set(uncast(side.input));
  const reads = trace.reads.filter(({ definition }) => inputs.has(definition.value));
  return [
    ...new Set(
      reads.filter(({ expr }) => spans.some((span) => within(expr.span, span))).map(({ expr }) => expr.name),
    ),
  ];
}
