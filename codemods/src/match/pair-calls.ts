import { baseOf, type Value } from "../flow/value.ts";
import { within } from "../form/traversal.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { refuseAliases } from "./aliases.ts";
import { refuseCompiled } from "./compiled.ts";
import { holdersOf } from "./holders.ts";
import { refuseOtherLengths } from "./lengths.ts";
import type { PairCall, PairFunction } from "./match.ts";
import { Refusal } from "./reasons.ts";
import { type SideName, sideOfName, sideOfValue } from "./side-of.ts";
import { refuseOtherSources } from "./sources.ts";

/**
 * Throws `Refusal` unless the helper may stand where the function was called: q and k are what the names say, are two
 * tensors, and nobody wants them as they were. Tells whether the helper may overwrite them.
 */
export function checkPairCall(
  pair: PairFunction,
  { at, call, step }: PairCall,
  { profile, project }: { readonly profile: Profile; readonly project: Project },
): ReturnType<typeof holdersOf> & { readonly inputs: { readonly q: Value; readonly k: Value } } {
  const { trace } = at;
  refuseCompiled(at);
  const given = (index: number) => {
    const name = pair.at.fn.params[index]?.name;
    return (
      call.args.find(({ keyword }) => keyword === name) ?? call.args.filter((one) => !one.keyword)[index]
    );
  };
  const inputs = (["q", "k"] as const).map((side) => {
    const argument = given(side === "q" ? pair.qParam : pair.kParam);
    const value = argument && trace.values.get(argument.value);
    if (argument === undefined || value === undefined || argument.spread) {
      throw new Refusal("ambiguous", "a call's arguments could not be told apart");
    }
    const names = trace.reads
      .filter(({ expr }) => within(expr.span, argument.span))
      .map(({ expr }) => expr.name);
    refuseOtherSide(side, value, names);
    return { side, value };
  });
  const block = trace.steps.get(step)?.block ?? trace.body;
  for (const { side, value } of inputs) {
    refuseAliases({
      input: value,
      side,
      trace,
      block,
      step,
      removed: [call.span],
      ...(!profile.inPlace && { last: step }),
    });
  }
  const [q, k] = inputs.map(({ value }) => value) as [Value, Value];
  if (baseOf(q) === baseOf(k)) throw new Refusal("ambiguous", "both norms are given the same tensor");
  if (profile.helper.path === undefined) {
    refuseOtherSources(q, k, profile.helper.name, { trace, place: at, project });
    refuseOtherLengths(q, k, profile.helper.name);
  }
  const tensors = { q, k };
  const removed = [call.span];
  const held = holdersOf({ inputs: tensors, trace, place: at, project, profile, block, step, removed });
  return { ...held, inputs: tensors };
}

function refuseOtherSide(side: SideName, value: Value, names: readonly string[]): void {
  const said = [sideOfValue(value), ...(names.length === 1 ? names.map(sideOfName) : [])];
  const other = said.find((one) => one !== undefined && one !== side);
  if (other !== undefined)
    throw new Refusal("ambiguous", `the ${side} norm is given ${names.join(", ") || other}`);
}
