import type { NormEvent } from "../flow/trace.ts";
import { baseOf, holds, type Value } from "../flow/value.ts";
import type { CopyForm, StreamForm } from "../helper/helper-form.ts";
import type { InlineMatch, PairFunction, Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { NormFacts } from "../norms/norm-facts.ts";
import type { Project } from "../project/project.ts";
import { type ReshapedSide, reshapeFormOf } from "./reshape-form.ts";
import { streamFormOf } from "./stream-form.ts";
import { streamType, tensorType } from "./type-origin.ts";

export interface CopyContext {
  readonly project: Project;
  readonly facts: NormFacts;
}

/** The form of a copy in the middle of a function. Throws `Refusal` when no helper could do what it does. */
export function inlineCopyForm(match: InlineMatch, context: CopyContext): CopyForm {
  const sides = [match.q, match.k].map(({ event, input, result }) => ({ event, input, result }));
  const form = copyForm(match.at, sides, match.altStream, context);
  return { ...form, viewsHeadsFirst: match.isHeadsFirst && sides.some((side) => isViewed(side, match.at)) };
}

/** The form of a function that is the step. Throws `Refusal` when no helper could do what it does. */
export function pairCopyForm(pair: PairFunction, context: CopyContext): CopyForm {
  const { at, qNorm, kNorm, qParam, kParam } = pair;
  const sides = [
    { norm: qNorm, input: at.trace.params[qParam]! },
    { norm: kNorm, input: at.trace.params[kParam]! },
  ].map(({ norm, input }) => {
    const event = at.trace.events.find(({ value }) => value.norm === norm && baseOf(value.of) === input)!;
    const items = at.trace.result?.kind === "tuple" ? at.trace.result.items : [];
    const result = items.find((one) => baseOf(one) === event.value || one === event.value) ?? event.value;
    return { event, input, result };
  });
  return copyForm(at, sides, pair.altStream, context);
}

/** The form of a helper `(q, k, qNorm, kNorm, ...)`; undefined when the function does something else. */
export function helperCopyForm(at: Traced, context: CopyContext): CopyForm | undefined {
  const { params, result, events, stores, steps } = at.trace;
  const hasEffect = stores.length > 0 || [...steps.values()].some((step) => step.hasEffect);
  if (hasEffect || result?.kind !== "tuple" || result.items.length !== 2) return undefined;
  const sides = [0, 1].map((i): CopySide | undefined => {
    const [input, norm] = [params[i], params[i + 2]];
    const event = events.find(({ value }) => value.norm === norm && baseOf(value.of) === input);
    const item = result.items[i]!;
    const isRestored = item.kind === "reshape" && item.to.kind === "shape" && item.to.of === input;
    if (event === undefined || input === undefined || baseOf(item) !== event.value) return undefined;
    return (isRestored ? event.value.of !== input : event.value.of === input)
      ? { event, input, result: item }
      : undefined;
  });
  const [q, k] = sides;
  if (q === undefined || k === undefined) return undefined;
  const stream = events.find((event) => event.value === k.event.value && event.stream !== undefined)?.stream;
  return copyForm(at, [q, k], stream, context);
}

interface CopySide {
  readonly event: NormEvent;
  readonly input: Value;
  readonly result: Value;
}

function copyForm(
  at: Traced,
  sides: readonly CopySide[],
  altStream: Value | undefined,
  { project, facts }: CopyContext,
): CopyForm {
  const source = { ...at, project };
  const [call, other] = sides.map(({ event }) => callOf(event));
  if (call !== other) {
    throw new Refusal("helper-mismatch", "q's norm and k's norm are called in different ways");
  }
  const reshaped = sides.map(
    ({ event, input, result }): ReshapedSide => ({ call: event.call, given: event.value.of, input, result }),
  );
  const reshape = reshaped.map((side) => reshapeFormOf(side, source)).find((one) => one !== undefined);
  const stream = altStream && streamOf(at, sides, altStream, project);
  const tensor = tensorType(at, sides[0]!.event.value.norm, { project, facts });
  return {
    ...(call !== undefined && { call }),
    reshapes: reshaped.some(({ given, input }) => given !== input),
    byHead: sides.every(
      ({ event }) => event.value.style === "function" || isByHead(event.value.norm, at, facts),
    ),
    viewsHeadsFirst: false,
    frees: [...at.trace.values.values()].some(isFreeing),
    ...(reshape && { reshape }),
    ...(stream && { stream }),
    ...(tensor && { tensor }),
  };
}

const forwards = /^(?:forward|apply|call|__call__|forward_native|forward_cuda)$/;

/** Undefined for a norm that is a function of several arguments: that becomes whatever the helper calls. */
function callOf({ call, value }: NormEvent): string | undefined {
  if (value.style === "function") return undefined;
  const { callee } = call;
  return callee.kind === "attribute" && forwards.test(callee.name) ? `$norm.${callee.name}($x)` : "$norm($x)";
}

function streamOf(at: Traced, sides: readonly CopySide[], altStream: Value, project: Project): StreamForm {
  const k = sides[1]!.event.value;
  const event = at.trace.events.find(({ value, stream }) => value === k && stream !== undefined);
  if (event === undefined)
    throw new Refusal("helper-mismatch", "the second stream is used in another function, or not for k");
  const type = streamType(at, altStream, project);
  return { ...streamFormOf(event, altStream, { ...at, project }), ...(type && { type }) };
}

/** Norms over the last axis with one weight for each of its columns give a head the same values wherever it stands. */
function isByHead(norm: Value, at: Traced, facts: NormFacts): boolean {
  const { kind, sizeName } = facts.factOf(norm, at);
  return kind !== "unknown" && (kind !== "layer" || sizeName !== undefined);
}

/** Whether the function itself takes a `view` of the result, or of what it makes of it. */
function isViewed({ result }: CopySide, { trace }: Traced): boolean {
  return [...trace.values].some(([expr]) => {
    if (expr.kind !== "call" || expr.callee.kind !== "attribute" || !/^view/.test(expr.callee.name))
      return false;
    const viewed = trace.values.get(expr.callee.object);
    return viewed !== undefined && holds(viewed, result);
  });
}

function isFreeing(value: Value): boolean {
  if (value.kind === "owned") return true;
  return value.kind === "call" && value.callee.kind === "attribute" && value.callee.name === "dispose";
}
