import { splitWords } from "../candidates/names.ts";
import { calleeName } from "../flow/tensor-calls.ts";
import { isSpread, type Value, type ValueOf } from "../flow/value.ts";
import { Refusal } from "./reasons.ts";

/** Words of functions that give another number of tokens than they are given. */
const changing = new Set(
  (
    "cat concat concatenate stack hstack vstack gather take select repeat tile interleave pool pooled pooling downsample upsample interpolate " +
    "unfold pad merge compress prune drop subsample resample roll slice narrow subarray"
  ).split(" "),
);
/** Words of what counts tokens. */
const counts = new Set(
  "len length lengths seq sequence token tokens last start end begin offset pos position index indices idx ids mask chunk window cache past".split(
    " ",
  ),
);

/**
 * Throws `helper-mismatch` when one of q and k is cut, joined or picked from on its way where the other is not: they may then be of different
 * length, and the helper takes tensors that differ in their heads only.
 */
export function refuseOtherLengths(q: Value, k: Value, helper: string): void {
  refuseOtherAxes(q, k, helper);
  const [ofQ, ofK] = [changesOf(q), changesOf(k)];
  if (ofQ.join() === ofK.join()) return;
  const [side, how] = ofQ.length > ofK.length ? ["q", ofQ] : ["k", ofK];
  throw new Refusal(
    "helper-mismatch",
    `${side} alone goes through \`${how.at(0)}\`, so that q and k may differ in length; ${helper} takes both of one length`,
  );
}

/**
 * Tokens of a batch have one or two axes, and q and k have them alike. Where one of them has more, as those of several frames do, they are
 * counted apart: k of what is attended to.
 */
function refuseOtherAxes(q: Value, k: Value, helper: string): void {
  const [ofQ, ofK] = [tokenAxes(q), tokenAxes(k)];
  if (ofQ === undefined || ofK === undefined || ofQ === ofK || Math.max(ofQ, ofK) <= 2) return;
  const [side, axes] = ofQ > ofK ? ["q", ofQ] : ["k", ofK];
  throw new Refusal(
    "helper-mismatch",
    `${side} alone has its tokens on ${axes} axes, so that q and k may differ in length; ${helper} takes both of one length`,
  );
}

/** Axes in front of heads and head dim, where it is said how a tensor is cut; those that stay as they were count as one. */
function tokenAxes(value: Value): number | undefined {
  return value.kind === "reshape" && value.to.kind === "tuple" ? value.to.items.length - 2 : undefined;
}

/** What may change the number of tokens on the way from where a tensor comes from; of a long way the last of it. */
function changesOf(value: Value): readonly string[] {
  const found = known.get(value) ?? followed(value).slice(0, mostChanges);
  known.set(value, found);
  return found;
}

// Values share parts, so that without this a long function would be walked through again and again.
const known = new WeakMap<Value, readonly string[]>();
const mostChanges = 16;

function followed(value: Value): readonly string[] {
  const on = (next: Value | undefined): readonly string[] => (next === undefined ? [] : changesOf(next));
  switch (value.kind) {
    case "reshape":
    case "owned":
    case "await":
    case "norm":
      return on(value.of);
    case "item":
      return [...(picksTokens(value) ? ["[...]"] : []), ...on(value.of)];
    case "choice": {
      const [then, otherwise] = [on(value.then), on(value.otherwise)];
      return then.join() === otherwise.join() ? then : [...then, ...otherwise];
    }
    case "operation":
      return on(value.operands.find(({ kind }) => kind !== "literal"));
    case "call":
      return ofCall(value, on);
    default:
      return [];
  }
}

function ofCall(
  { callee, args }: ValueOf<"call">,
  on: (next: Value | undefined) => readonly string[],
): readonly string[] {
  const name = calleeName(callee) ?? "";
  const receiver = callee.kind === "attribute" ? callee.object : undefined;
  const isModule = receiver === undefined || ["self", "free", "attribute"].includes(receiver.kind);
  const before = on(isModule ? args[0] : receiver);
  // `k, v = past.update(k, v)`: what was there before it comes along.
  if (isOfCache(name) || (receiver !== undefined && isOfCache(calleeName(receiver) ?? "")))
    return [name, ...before];
  // `self.q_pool`, `self.k_pool`: what both go through.
  const words = splitWords(name).filter((word) => !/^(?:q|k|query|key|to)$/.test(word));
  return words.some((word) => changing.has(word)) ? [words.join("_"), ...before] : before;
}

function isOfCache(name: string): boolean {
  return splitWords(name).some((word) => /^(?:cache|past|memory|history)$/.test(word));
}

/** `q[-1:]`, `k[index]`, `q[:, start:]`; not `packed[0]`, `q[..., :n]`. */
function picksTokens({ of, index }: ValueOf<"item">): boolean {
  // Of several results one is taken.
  if (of.kind === "tuple" || index.kind === "literal") return false;
  if (index.kind !== "tuple") return picks(index, "first");
  if (index.items.some(isEllipsis)) return false;
  return index.items.some((axis, i) => !isSpread(axis) && picks(axis, i === 0 ? "first" : "later"));
}

function picks(axis: Value, place: "first" | "later"): boolean {
  if (axis.kind === "literal") return false;
  const isRange = axis.kind === "operation" && axis.operator === ":";
  const bounds = (isRange ? axis.operands : [axis]).filter(
    (bound) => !(bound.kind === "literal" && (bound.value === undefined || bound.value === null)),
  );
  if (place === "first") return bounds.length > 0;
  return bounds.some((bound) => (bound.kind === "literal" ? Number(bound.value) < 0 : countsTokens(bound)));
}

function countsTokens(bound: Value): boolean {
  if (bound.kind === "operation") return bound.operands.some(countsTokens);
  const name = calleeName(bound);
  return name !== undefined && splitWords(name).some((word) => counts.has(word));
}

function isEllipsis(axis: Value): boolean {
  return axis.kind === "literal" && axis.value === undefined;
}
