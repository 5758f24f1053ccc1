import type { Value } from "../flow/value.ts";
import type { Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import { meaningOfSize } from "../norms/norm-axis.ts";
import { renderValue, type Scope } from "./render.ts";

/** The head dim as the call's argument: as the code computes with it, else the attribute of the class that holds it. */
export function headDimText(
  { headDim, at }: { headDim: Value | undefined; at: Traced },
  scope: Scope,
): string {
  if (headDim !== undefined) return renderValue(headDim, scope);
  const owner = at.form.classes.find(({ name }) => name === at.fn.owner);
  const names = new Set([...(owner?.fields.map(({ name }) => name) ?? []), ...attributesIn(at)]);
  for (const name of names) {
    if (meaningOfSize({ id: -1, kind: "free", name }) === "head-dim") {
      return `${at.form.language === "python" ? "self" : "this"}.${name}`;
    }
  }
  // The head dim that the function itself computes with, such as `config.headDim`, if it knows just one.
  const used = new Set(
    [...at.trace.values.values()].filter(
      (one) => one.kind === "attribute" && meaningOfSize(one) === "head-dim",
    ),
  );
  if (used.size === 1) return renderValue([...used][0]!, scope);
  throw new Refusal("ambiguous", "the head dim has no name here that the call could use");
}

/** Attributes that the class sets on itself. */
function attributesIn({ form, fn }: Traced): readonly string[] {
  const owner = form.classes.find(({ name }) => name === fn.owner);
  const steps = owner?.methods.flatMap(({ body }) => body) ?? [];
  return steps.flatMap((step) =>
    step.kind === "assign" && step.target.kind === "attribute" ? [step.target.name] : [],
  );
}
