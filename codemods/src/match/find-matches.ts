import { resolve } from "node:path";
import { type FindFunction, traceFunction } from "../flow/evaluate.ts";
import { ValueTable } from "../flow/value.ts";
import type { FileForm, FunctionForm } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import type { NormFacts } from "../norms/norm-facts.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Project } from "../project/project.ts";
import { CallIndex } from "./call-index.ts";
import { stepsHandedOn } from "./handed-on.ts";
import { matchInline } from "./inline-pair.ts";
import { jointNorms } from "./joint-norm.ts";
import { keyedNorms } from "./keyed-norms.ts";
import { listedNorms } from "./listed-norms.ts";
import type { InlineMatch, PairCall, PairFunction, RefusedMatch, Traced } from "./match.ts";
import { functionsNearNorms, nestedIn } from "./near-norms.ts";
import { pairFunctionOf } from "./pair-function.ts";
import { Refusal } from "./reasons.ts";
import { unfollowedNorms } from "./unfollowed-norms.ts";

export interface FileMatches {
  readonly pairs: readonly { readonly pair: PairFunction; readonly calls: readonly PairCall[] }[];
  readonly inline: readonly InlineMatch[];
  readonly refused: readonly RefusedMatch[];
  readonly traced: readonly Traced[];
  /** The calls of a function in the file. */
  readonly callsOf: (at: Traced) => readonly PairCall[];
}

export interface MatchContext {
  readonly project: Project;
  readonly facts: NormFacts;
  readonly profile: Profile;
}

/** Every copy of the step in one file: whole functions first, then pairs inside functions. */
export function findMatches(form: FileForm, context: MatchContext): FileMatches {
  const traced = traceAll(form, context);
  const calls = new CallIndex(traced);
  const pairs: PairFunction[] = [];
  const refused: RefusedMatch[] = [];
  for (const at of traced) {
    if (isHelper(at, context.profile)) continue;
    try {
      const pair = pairFunctionOf(at, context);
      if (pair !== undefined) pairs.push(pair);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.push({ kind: "refused", reason: error.reason, message: error.message, at, span: at.fn.span });
    }
  }
  const steps = pairs.filter((pair) => !isForwarder(pair, pairs));
  const settled = new Set([...pairs, ...refused].map(({ at }) => at));
  const others = traced.filter((at) => !settled.has(at) && !isHelper(at, context.profile));
  // A function that has both norms of its own is told of where it stands, not where it is called.
  const homes = others.filter((at) =>
    matchInline(at, context, ({ home }) => home !== at.fn).some((match) => !isOfOneSide(match)),
  );
  const told = new Set([...settled, ...homes].flatMap(({ fn }) => [fn, ...nestedIn(fn.body)]));
  const inline = others.flatMap((at) => {
    const found = matchInline(at, context, ({ home }) => home !== at.fn && told.has(home));
    return found.every(isOfOneSide) ? matchInline(at, context, ({ home }) => home !== at.fn) : found;
  });
  // A function that normalises one side is told of with the pair that its callers make of it.
  const paired = new Set(inline.flatMap((match) => (match.kind === "inline" ? homesOf(match) : [])));
  const kept = inline.filter((match) => !(isOfOneSide(match) && paired.has(match.at.fn)));
  return {
    pairs: steps.map((pair) => ({ pair, calls: calls.of(pair.at) })),
    inline: kept.filter((match) => match.kind === "inline"),
    refused: [
      ...refused,
      ...kept.filter((match) => match.kind === "refused"),
      ...traced.flatMap((at) => {
        const told = [...jointNorms(at), ...listedNorms(at), ...keyedNorms(at), ...stepsHandedOn(at)];
        return told.length > 0 ? told : unfollowedNorms(at);
      }),
    ],
    traced,
    callsOf: (at) => calls.of(at),
  };
}

function isOfOneSide(match: InlineMatch | RefusedMatch): boolean {
  return match.kind === "refused" && match.reason === "one-sided";
}

function homesOf({ q, k }: InlineMatch): readonly FunctionForm[] {
  return [q.event.home, k.event.home];
}

/** It only gives back what another pair function computes, and calls the helper once that one is replaced. */
function isForwarder({ at }: PairFunction, pairs: readonly PairFunction[]): boolean {
  return at.trace.events.every(({ home }) => home !== at.fn && pairs.some((other) => other.at.fn === home));
}

/** The shared function itself is what copies are replaced by; what its own module has beside it is not a copy either. */
function isHelper({ fn, form }: Traced, { helper }: Profile): boolean {
  const isHome = helper.path === undefined || resolve(helper.path) === resolve(form.path);
  return (fn.kind === "function" && fn.name === helper.name && isHome) || isModuleOf(helper, form);
}

/** `sglang.srt.models.utils` is `.../sglang/srt/models/utils.py`, if it declares the helper. */
function isModuleOf({ module, name }: Profile["helper"], { path, functions }: FileForm): boolean {
  const isNamed = path.replace(/\.py$/, "").endsWith(`/${module.replaceAll(".", "/")}`);
  return isNamed && functions.some((fn) => fn.name === name);
}

function traceAll(form: FileForm, context: MatchContext): readonly Traced[] {
  const values = new ValueTable();
  const { near, traced } = functionsNearNorms(form);
  return traced.map((fn) => ({
    form,
    fn,
    trace: traceFunction(fn, finderFor(fn, form, near, context), values),
  }));
}

/** What may be inlined into `fn`: methods of its own class, and functions that its file declares or imports. */
function finderFor(
  fn: FunctionForm,
  form: FileForm,
  near: ReadonlySet<FunctionForm>,
  { project, profile }: MatchContext,
): FindFunction {
  const owner = ownerOf(fn, form);
  return (callee, call) => {
    if (callee.kind === "attribute" && callee.object.kind === "self") {
      const own = owner?.methods.find(({ name, kind }) => name === callee.name && kind === "method");
      return own !== undefined && (near.has(own) || call === "wrapper") ? own : undefined;
    }
    // A call of the helper is what a copy becomes; looking inside would find the step again.
    if (callee.kind !== "free" || callee.name === profile.helper.name) return undefined;
    const found = project.resolveFunction(callee.name, form, call === "wrapper" ? "any" : "near-norms");
    if (found === undefined || !("declaration" in found)) return undefined;
    const isFar = found.form === form && !near.has(found.declaration);
    return isFar && call === "plain" ? undefined : found.declaration;
  };
}
