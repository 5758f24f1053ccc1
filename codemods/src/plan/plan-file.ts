import { inlineCopyForm, pairCopyForm } from "../copies/copy-form.ts";
import type { FilesMentioning } from "../files/mention-index.ts";
import type { FileForm, ParseError } from "../form/form.ts";
import type { CopyForm } from "../helper/helper-form.ts";
import { type FileMatches, findMatches, type MatchContext } from "../match/find-matches.ts";
import { matchInline } from "../match/inline-pair.ts";
import type { InlineMatch, PairFunction, RefusedMatch, Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import { lineAt } from "../text/line-index.ts";
import { applyEdits, type TextEdit } from "../text/text-edits.ts";
import { isGivenUp } from "./callers-proof.ts";
import type { Change, Finding } from "./change.ts";
import { proveDeletable } from "./deletion-proof.ts";
import { refuseOtherNormsBelow } from "./derived-norms.ts";
import { refuseFunctionNorm } from "./function-norm.ts";
import { helperImport, refuseTakenName, withHelper } from "./helper-use.ts";
import { inlineChange, linesOfPair } from "./inline-change.ts";
import { type PairContext, pairChange } from "./pair-change.ts";
import { refuseOtherTensors } from "./tensor-needs.ts";

/** What is to become of one file. `after` is undefined when it stays as it is. */
export interface FilePlan {
  readonly findings: readonly Finding[];
  readonly after: string | undefined;
  /** How each copy spells the step, while the helper is still to be made; see `Helper.form`. */
  readonly copies?: readonly CopyForm[];
}

export interface PlanContext extends MatchContext {
  readonly filesMentioning: FilesMentioning;
  /** Whether a copy that can be replaced is to be; all are by default. */
  readonly chooses?: (finding: Finding) => boolean;
  /** `places`: only where the copies are is asked, not what is to become of them. */
  readonly wanted?: "changes" | "places";
}

/** Plans all changes of one file and checks that the result still parses. Reads other files, writes none. */
export function planFile(form: FileForm, context: PlanContext): FilePlan {
  const frontEnd = context.project.frontEnd(form.language)!;
  if (form.nearErrors.length > 0)
    return { findings: parseErrorFindings(form.nearErrors, form), after: undefined };
  const matches = findMatches(form, context);
  const { pairs, inline, refused, callsOf } = matches;
  if (context.wanted === "places") return { findings: placesOf(matches), after: undefined };
  const isFree: PairContext["isGivenUp"] = (at, inputs) =>
    isGivenUp({ ...context, at, inputs, calls: callsOf(at) });
  const changes: Change[] = [];
  const findings = refused.map(refusedFinding);
  const attempt = (at: Traced, span: RefusedMatch["span"], make: () => Change): void => {
    try {
      changes.push(make());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      findings.push(
        refusedFinding({ kind: "refused", reason: error.reason, message: error.message, at, span }),
      );
    }
  };
  for (const { pair, calls } of pairs) {
    attempt(pair.at, pair.at.fn.span, () => {
      refuseOtherNormsBelow({ ...context, ...pair.at, norms: [pair.qNorm, pair.kNorm] });
      try {
        proveDeletable(pair, calls, context.project, context.filesMentioning);
      } catch (error) {
        // Where others call it, it stays, and calls the helper itself.
        const inside =
          error instanceof Refusal && error.reason === "other-callers" ? insideOf(pair, context) : undefined;
        if (inside === undefined) throw error;
        refuseTakenName(pair.at, context);
        refuseOtherTensors(pair.at, pair.qNorm, "flat", context);
        return withHelper(
          () => inlineCopyForm(inside, context),
          { ...context, at: inside.at },
          () => inlineChange(inside, frontEnd, context.profile),
        );
      }
      if (pair.at.fn.name !== context.profile.helper.name) refuseTakenName(pair.at, context);
      refuseOtherTensors(pair.at, pair.qNorm, "flat", context);
      return withHelper(
        () => pairCopyForm(pair, context),
        { ...context, at: pair.at },
        () => pairChange(pair, calls, frontEnd, { ...context, isGivenUp: isFree }),
      );
    });
  }
  for (const match of inline) {
    const span = { start: match.q.step.span.start, end: match.k.step.span.end };
    attempt(match.at, span, () => {
      refuseFunctionNorm(match, context.profile);
      const norms = [match.q, match.k].map(({ event }) => event.value.norm);
      refuseOtherNormsBelow({ ...context, ...match.at, norms });
      refuseTakenName(match.at, context);
      refuseOtherTensors(match.at, match.q.event.value.norm, headsOf(match), context);
      return withHelper(
        () => inlineCopyForm(match, context),
        { ...context, at: match.at },
        () => inlineChange(withoutCallers(match, isFree), frontEnd, context.profile),
      );
    });
  }
  if (changes.length > 0 && form.errors.length > 0)
    return { findings: parseErrorFindings(form.errors, form), after: undefined };
  const chosen = changes.filter(({ finding }) => context.chooses?.(finding) ?? true);
  const all = [...findings, ...chosen.map(({ finding }) => finding)].sort((a, b) => a.line - b.line);
  const copies = chosen.flatMap(({ copy }) => copy ?? []);
  if (copies.length > 0) return { findings: all, after: undefined, copies };
  return { findings: all, after: chosen.length === 0 ? undefined : rewrite(form, chosen, context) };
}

/** Without the callers as holders, where they are known to give q and k up. */
function withoutCallers(match: InlineMatch, isFree: PairContext["isGivenUp"]): InlineMatch {
  const inputs = { q: match.q.input, k: match.k.input };
  if (match.isOfCallers === undefined || !isFree(match.at, inputs)) return match;
  const { holder: _, ...rest } = match;
  return rest;
}

/** All copies as if each were refused. */
function placesOf({ pairs, inline, refused }: FileMatches): readonly Finding[] {
  const place = (at: Traced, lines: Pick<Finding, "line" | "endLine">): Finding => ({
    ...lines,
    kind: "refused",
    symbol: at.fn.symbol,
    message: "",
  });
  const found = [
    ...pairs.map(({ pair: { at } }) => place(at, linesIn(at.form.text, at.fn.span))),
    ...inline.map((match) => place(match.at, linesOfPair(match))),
    ...refused.map(({ at, span }) => place(at, linesIn(at.form.text, span))),
  ];
  return found.sort((a, b) => a.line - b.line);
}

/** Whether the helper gets tensors as the norms do, heads on an axis of their own, or must reshape them. */
function headsOf({ q, k }: InlineMatch): "apart" | "flat" {
  return [q, k].every(({ event, input, result }) => event.value.of === input && event.value === result)
    ? "apart"
    : "flat";
}

function insideOf({ at }: PairFunction, context: MatchContext): InlineMatch | undefined {
  const [found, ...more] = matchInline(at, context, () => false);
  return found?.kind === "inline" && more.length === 0 ? found : undefined;
}

function rewrite(form: FileForm, changes: readonly Change[], context: PlanContext): string {
  const frontEnd = context.project.frontEnd(form.language)!;
  const removed = changes.flatMap((change) => change.removed);
  const edits: TextEdit[] = changes.flatMap((change) => change.edits);
  const written = new Set(edits.flatMap(({ text }) => text.match(/[\p{L}\p{N}_$]+/gu) ?? []));
  edits.push(
    ...frontEnd.editImports(form, {
      add: helperImport(form, context),
      drop: [...form.mentions].flatMap(([name, spans]) =>
        spans.some((span) => isIn(span, removed)) && !written.has(name) ? [name] : [],
      ),
      removed,
    }),
  );
  const after = applyEdits(form.text, edits);
  const [error] = frontEnd.syntaxErrors({ path: form.path, language: form.language, text: after });
  if (error !== undefined) {
    throw new Error(
      `the rewritten file does not parse (line ${lineAt(after, error.offset)}: ${error.message})`,
    );
  }
  return after;
}

function isIn(
  span: { start: number; end: number },
  removed: readonly { start: number; end: number }[],
): boolean {
  return removed.some(({ start, end }) => start <= span.start && span.end <= end);
}

function refusedFinding({ reason, message, at, span }: RefusedMatch): Finding {
  return {
    ...linesIn(at.form.text, span),
    kind: "refused",
    reason,
    symbol: at.fn.symbol,
    message,
  };
}

function linesIn(text: string, { start, end }: RefusedMatch["span"]): Pick<Finding, "line" | "endLine"> {
  return { line: lineAt(text, start), endLine: lineAt(text, end) };
}

function parseErrorFindings([error]: readonly ParseError[], { text }: FileForm): readonly Finding[] {
  const line = lineAt(text, error?.offset ?? 0);
  const message = `the file does not parse: ${error?.message ?? "syntax error"}`;
  return [{ line, endLine: line, kind: "refused", reason: "parse-error", symbol: "<module>", message }];
}
