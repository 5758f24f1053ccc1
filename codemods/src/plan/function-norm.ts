import type { Expr } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import type { LanguageFrontEnd } from "../languages/front-end.ts";
import { isOwnMethod } from "../match/given-side.ts";
import type { InlineMatch } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { Side } from "../match/side.ts";
import type { NormFact } from "../norms/norm-fact.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Scope } from "./render.ts";

/**
 * Throws `unknown-norm` when the norms are functions and the helper takes modules only, or when a function is given more than a
 * tensor, a weight and an eps: a size that it cuts its tensor by would be wrong for the tensor that the helper gives it.
 */
export function refuseFunctionNorm({ q, k, facts, at }: InlineMatch, profile: Profile): void {
  if (q.event.value.style === "module" && k.event.value.style === "module") return;
  const { className, kind, eps } = facts.q;
  const details = [kindWords[kind], ...(eps === undefined ? [] : [`eps ${eps}`])].join(", ");
  const what = `q and k are normalised by the function ${className} (${details})`;
  if (isOwnMethod(q.event.value) || isOwnMethod(k.event.value))
    throw new Refusal("unknown-norm", `${what}, a method of their own, not by modules`);
  if (!profile.acceptsFunctions || kind === "unknown" || q.event.value.style !== k.event.value.style)
    throw new Refusal("unknown-norm", `${what}, not by modules with a forward of one argument`);
  for (const { event } of [q, k]) {
    const call = event.call;
    if (event.inlined || !at.trace.values.has(call))
      throw new Refusal("unknown-norm", `${what}, which is called in another function`);
    const strange = call.args.find(
      ({ value, spread }) => spread || (!isTensor(value, event.value.of, at) && !isWeightOrEps(value)),
    );
    if (strange !== undefined) {
      const written = at.form.text.slice(strange.span.start, strange.span.end);
      throw new Refusal("unknown-norm", `${what}, which is also given \`${written}\``);
    }
  }
}

/** The norm as a function of the tensor alone: `(x) => rmsNorm(x, weight, eps)`; as a module where the helper calls `forward`. */
export function functionNormText(
  side: Side,
  scope: Scope,
  frontEnd: LanguageFrontEnd,
  profile: Profile,
): string {
  const { call, value } = side.event;
  const { text, mentions, language } = scope.form;
  const given = call.args.find((argument) => isTensor(argument.value, value.of, scope))!.value;
  const named = (name: string) =>
    [...(mentions.get(name) ?? [])].some((span) => within(span, call.span) && !within(span, given.span));
  const param = ["x", "t", "tensor"].find((name) => !named(name)) ?? "input";
  const body =
    text.slice(call.span.start, given.span.start) + param + text.slice(given.span.end, call.span.end);
  const fn = frontEnd.writeFunction(param, body);
  const method = /^\$norm\.(\w+)\(/.exec(profile.helper.form?.call ?? "")?.[1];
  if (method === undefined) return fn;
  if (language === "python")
    throw new Refusal("helper-mismatch", `its norms are functions, and the helper calls their ${method}`);
  return `{ ${method}: ${fn} }`;
}

/** The names that the written function reads when it is called. */
export function namesKept(side: Side, scope: Scope): readonly Expr[] {
  const { call, value } = side.event;
  const parts = call.args.filter((argument) => !isTensor(argument.value, value.of, scope));
  return [call.callee, ...parts.map((argument) => argument.value)];
}

function isTensor(expr: Expr, tensor: unknown, { trace }: Pick<Scope, "trace">): boolean {
  return trace.values.get(expr) === tensor;
}

/** `null`, `1e-6`, `this.eps`, `w.qNorm`, `gamma`: nothing that speaks of a shape. */
function isWeightOrEps(expr: Expr): boolean {
  if (expr.kind === "literal")
    return expr.value == null || (typeof expr.value === "number" && expr.value < 1);
  if (expr.kind !== "name" && expr.kind !== "attribute") return false;
  return /eps|norm|weight|gamma|scale|^w$/i.test(expr.name);
}

const kindWords: Readonly<Record<NormFact["kind"], string>> = {
  "plain-rms": "plain RMS",
  "unit-offset": "RMS times 1 + weight",
  weightless: "RMS without a weight",
  layer: "subtracts the mean",
  l2: "L2",
  unknown: "its code is out of reach",
};
