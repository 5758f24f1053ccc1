import { baseOf, type Value, type ValueOf } from "../flow/value.ts";
import { ownerOf, perForm } from "../form/per-form.ts";
import type { NormFact } from "../norms/norm-fact.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Traced } from "./match.ts";
import { Refusal } from "./reasons.ts";
import type { SideName } from "./side-of.ts";
import { memoryUseOf } from "./tensor-operations.ts";

export interface NormCall {
  readonly side: SideName;
  readonly value: Pick<ValueOf<"norm">, "norm" | "callee" | "style">;
  readonly fact: NormFact;
}

/** Throws `unknown-norm` unless the norm is called as the helper calls it: by its `forward`, without anything that runs around it. */
export function refuseOtherCall(
  { side, value, fact }: NormCall,
  { form, fn }: Traced,
  { helper }: Profile,
): void {
  const { norm, callee, style } = value;
  if (style === "function") return;
  const method = callee !== norm && callee.kind === "attribute" ? callee.name : "forward";
  // A helper of the repository's own calls norms as the copies do.
  const isOwn = helper.path !== undefined;
  const isKnown = form.language === "python" && fact.resolved.from === "code";
  if (method !== "forward" && !isOwn && !isKnown)
    throw new Refusal(
      "unknown-norm",
      `the ${side} norm is called by its ${method}, which may run more than the forward that ${helper.name} calls`,
    );
  const owner = ownerOf(fn, form);
  const code = owner === undefined ? "" : form.text.slice(owner.span.start, owner.span.end);
  if (!isOwn && /\bregister_?(?:forward|module|full)?_?(?:pre_?)?hook\b/i.test(code))
    throw new Refusal("unknown-norm", `the class registers hooks, which ${helper.name} would not run`);
  const patches = patchesIn(form);
  const patch =
    norm.kind === "attribute" ? (patches.get(norm.name) ?? patches.get(fact.className)) : undefined;
  if (!isOwn && patch !== undefined)
    throw new Refusal("unknown-norm", `the ${side} norm is changed by \`${patch}\``);
}

/** What puts something else in place of a norm, of its forward or of its weight, by the name of the attribute or class that it is done to. */
const patchesIn = perForm(({ text }) => {
  const ways = [
    /(#?\w+)(?:\.prototype)?\.(?:forward|__call__|call)\s*=(?!=)/g,
    // By whoever has the layer: `layer.attn.q_norm = nn.Identity()`.
    /(?<!\b(?:self|this))\.(#?\w+)\s*=(?!=)/g,
    /\bsetattr\(\s*(?:self|this)\s*,\s*["'](\w+)["']/g,
    /\b(?:setattr|defineProperty|patch\.object)\(\s*(?:[\w$]+\.)*?(#?\w+)(?:\.prototype)?\s*,\s*["'](?:forward|__call__|call|weight)["']/g,
    /(?:parametri|patch|spectral_norm|weight_norm)\w*\(\s*(?:self|this)\.(#?\w+)/g,
  ];
  return new Map(ways.flatMap((way) => [...text.matchAll(way)].map(([how, name]) => [name!, how] as const)));
});

/** Throws `unknown-norm` unless the norm gives one tensor at once: no promise, no tuple. */
export function refuseOtherResult(
  value: Value,
  { side, fact }: NormCall,
  { trace, form: { language } }: Traced,
): void {
  const who = `the ${side} norm${fact.className === "" ? "" : ` (${fact.className})`}`;
  const isResult = (one: Value) => one === value || (one.kind === "reshape" && baseOf(one) === value);
  if (fact.givesTuple) throw new Refusal("unknown-norm", `${who} gives a tuple`);
  const isSync = fact.resolved.from === "code" && !fact.isAsync;
  const called = new Set(
    [...trace.values.keys()].flatMap((expr) => (expr.kind === "call" ? [expr.callee] : [])),
  );
  const isOfTensor = (name: string) => memoryUseOf(name, language) !== undefined;
  for (const [expr, one] of trace.values) {
    if (one.kind === "await" && isResult(one.of) && !isSync)
      throw new Refusal(
        "unknown-norm",
        `what ${who} gives is awaited, and nothing shows that it is no promise`,
      );
    if (
      one.kind === "attribute" &&
      isResult(one.object) &&
      !isSync &&
      !called.has(expr) &&
      !isOfTensor(one.name)
    )
      throw new Refusal(
        "unknown-norm",
        `\`${one.name}\` of what ${who} gives is used, which so may be no tensor`,
      );
    const isPart = one.kind === "item" && isResult(one.of) && one.index.kind === "literal";
    if (expr.kind === "index" && isPart && !isSync)
      throw new Refusal("unknown-norm", `only a part of what ${who} gives is used, which may be a tuple`);
  }
  const isTakenApart = trace.definitions.some(
    ({ value: one }) => one.kind === "item" && isResult(one.of) && one.index.kind === "literal",
  );
  const isUnpacked = [...trace.steps.keys()].some(
    (step) =>
      step.kind === "assign" &&
      (step.target.kind === "tuple" || step.target.kind === "record") &&
      isResultOf(trace.values.get(step.value), isResult),
  );
  if (isUnpacked || (isTakenApart && !isSync))
    throw new Refusal("unknown-norm", `what ${who} gives is taken apart, so it is no one tensor`);
}

function isResultOf(value: Value | undefined, isResult: (one: Value) => boolean): boolean {
  if (value === undefined) return false;
  return isResult(value.kind === "await" ? value.of : value);
}
