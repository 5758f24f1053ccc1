import type { InlineMatch } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { NormFact } from "../norm-fact.ts";

/** Throws `unknown-norm` when the norms are functions: the helper is given modules. */
export function refuseFunctionNorm({ q, facts }: InlineMatch): void {
  if (q.event.value.style === "module") return;
  const { className, kind, eps } = facts.q;
  const details = [kindWords[kind], ...(eps === undefined ? [] : [`eps ${eps}`])].join(", ");
  throw new Refusal(
    "unknown-norm",
    `q and k are normalised by the function ${className} (${details}), not by modules with a forward of one argument`,
  );
}

const kindWords: Readonly<Record<NormFact["kind"], string>> = {
  "plain-rms": "plain RMS",
  "unit-offset": "RMS times 1 + weight",
  weightless: "RMS without a weight",
  layer: "subtracts the mean",
  l2: "L2",
  unknown: "its code is out of reach",
};
