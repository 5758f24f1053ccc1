import type { Value } from "../flow/value.ts";
import type { FunctionForm } from "../form/form.ts";
import type { LanguageFrontEnd } from "../languages/front-end.ts";
import { layoutAt } from "../languages/layout.ts";
import type { PairCall, PairFunction, Traced } from "../match/match.ts";
import { checkPairCall } from "../match/pair-calls.ts";
import { Refusal } from "../match/reasons.ts";
import { lineAt } from "../text/line-index.ts";
import { isBlankLineAt, lineStart, nextLine, type TextEdit, wholeLines } from "../text/text-edits.ts";
import type { Change } from "./change.ts";
import { headDimText } from "./head-dim.ts";
import { type HelperContext, needsHeadDim, refuseLostStream } from "./helper-use.ts";
import { renderValue, type Scope, sourceOf } from "./render.ts";
import { refuseDirectives, refuseRangeDirectives } from "./told-tools.ts";

export interface PairContext extends HelperContext {
  /** Whether those who call the function have what they gave it no more. */
  readonly isGivenUp: (at: Traced, inputs: { readonly q: Value; readonly k: Value }) => boolean;
}

/** The edits that make calls of the helper of all calls of a pair function, and take the function out. Throws `Refusal`. */
export function pairChange(
  pair: PairFunction,
  calls: readonly PairCall[],
  frontEnd: LanguageFrontEnd,
  context: PairContext,
): Change {
  const { profile } = context;
  refuseLostStream(pair.altStream, profile);
  const { form, fn } = pair.at;
  refuseRangeDirectives(fn, form);
  refuseDirectives(
    calls.map(({ step }) => step.span),
    form,
  );
  const edits = calls.map((call) => callEdit(pair, call, frontEnd, context));
  const deletion = functionSpan(fn, form.text);
  const places = calls.map(({ call }) => lineAt(form.text, call.span.start));
  return {
    edits: [...edits, { span: deletion, text: "" }],
    removed: [deletion, ...calls.map(({ call }) => call.callee.span)],
    finding: {
      line: lineAt(form.text, fn.span.start),
      endLine: lineAt(form.text, fn.span.end),
      kind: "replaced",
      symbol: fn.symbol,
      message: `is the QK-norm step as a whole; it goes, and ${listOf(places)} ${calls.length === 1 ? "calls" : "call"} ${profile.helper.name} instead`,
    },
  };
}

function callEdit(
  pair: PairFunction,
  { at, call, step }: PairCall,
  frontEnd: LanguageFrontEnd,
  context: PairContext,
): TextEdit {
  const { form, trace } = at;
  const { profile } = context;
  const { holder, isOfCallers, inputs } = checkPairCall(pair, { at, call, step }, context);
  const isHeld = holder !== undefined && !(isOfCallers && context.isGivenUp(at, inputs));
  const stepTrace = trace.steps.get(step);
  const visible = stepTrace?.block.before[stepTrace.index] ?? new Map();
  const scope: Scope = { form, trace, visible };
  const argument = (index: number): string => {
    const name = pair.at.fn.params[index]?.name;
    const given =
      call.args.find(({ keyword }) => keyword === name) ?? call.args.filter((one) => !one.keyword)[index];
    if (given === undefined || given.spread)
      throw new Refusal("ambiguous", "a call's arguments could not be told apart");
    return sourceOf(given.value, form);
  };
  // A parameter of the function is written as what it is given; everything else as it is reached from the caller.
  const write = (value: Value): string =>
    value.kind === "param" ? argument(value.index) : renderValue(value, scope);
  return {
    span: call.span,
    text: frontEnd.writeCall({
      callee: profile.helper.name,
      q: argument(pair.qParam),
      k: argument(pair.kParam),
      qNorm: write(pair.qNorm),
      kNorm: write(pair.kNorm),
      ...(needsHeadDim(profile) && {
        headDim:
          pair.headDim?.kind === "param" ? argument(pair.headDim.index) : headDimText({ ...pair, at }, scope),
      }),
      ...(pair.altStream && { altStream: write(pair.altStream) }),
      ...(isHeld && profile.inPlace && { allowInplace: false as const }),
      layout: layoutAt(form, call.span.start, ""),
    }),
  };
}

/** The function with its comments and one of the blank lines around it. */
function functionSpan({ span, leadingComments }: FunctionForm, text: string): { start: number; end: number } {
  const first = leadingComments[0]?.start ?? span.start;
  const lines = wholeLines(text, { start: first, end: span.end });
  if (lines.end < text.length && isBlankLineAt(text, lines.end))
    return { start: lines.start, end: nextLine(text, lines.end) };
  // The last member of a class has no blank line after it but one before.
  const before = lineStart(text, Math.max(0, lines.start - 1));
  if (lines.start === 0 || !isBlankLineAt(text, before)) return lines;
  if (lines.end < text.length || /[\r\n]$/.test(text)) return { start: before, end: lines.end };
  // The file ends without a line end, and is to end so again.
  return { start: text.slice(0, before).trimEnd().length, end: lines.end };
}

function listOf(lines: readonly number[]): string {
  return `${lines.length === 1 ? "line" : "lines"} ${lines.join(", ")}`;
}
