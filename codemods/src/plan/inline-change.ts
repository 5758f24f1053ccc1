import type { Expr, Span, Step } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import type { LanguageFrontEnd } from "../languages/front-end.ts";
import { layoutAt, styleOf } from "../languages/layout.ts";
import type { InlineMatch } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import { removedBy, reshapedBy, type Side } from "../match/side.ts";
import type { Profile } from "../profiles/profile.ts";
import { lineAt } from "../text/line-index.ts";
import { indentAt, lineStart, type TextEdit } from "../text/text-edits.ts";
import type { Change } from "./change.ts";
import { freshName } from "./fresh-name.ts";
import { functionNormText, namesKept } from "./function-norm.ts";
import { withHeadDim, withOpening } from "./given-q.ts";
import { refuseLostStream } from "./helper-use.ts";
import { refuseDeclarator, removals, withoutSemicolon } from "./removals.ts";
import { renderValue, type Scope, sourceOf } from "./render.ts";
import { sharedTuple } from "./shared-tuple.ts";
import { stillMeans } from "./still-means.ts";
import { refuseDirectives } from "./told-tools.ts";

/** The edits that make one call of two norms in the middle of a function. Throws `Refusal`. */
export function inlineChange(match: InlineMatch, frontEnd: LanguageFrontEnd, profile: Profile): Change {
  const { form, fn, trace } = match.at;
  refuseLostStream(match.altStream, profile);
  const { block } = match;
  const anchor = block.steps[match.position]!;
  const scope: Scope = { form, trace, visible: block.before[match.position] ?? new Map() };
  const going = [match.q, match.k].flatMap((side) => [...removedBy(side), side.step.span]);
  refuseDirectives([...going, anchor.span], form);
  const norm = (side: Side) =>
    side.event.value.style === "function" &&
    namesKept(side, scope).every((one) => stillMeans(one, scope, going))
      ? functionNormText(side, scope, frontEnd, profile)
      : normText(side, scope, going);
  const { q, opening, headDim } = withHeadDim(match, inputText(match.q, scope, going), scope, profile);
  const call = (offset: number, before: string) =>
    frontEnd.writeCall({
      callee: profile.helper.name,
      q,
      k: inputText(match.k, scope, going),
      qNorm: norm(match.q),
      kNorm: norm(match.k),
      ...(headDim !== undefined && { headDim }),
      ...(match.altStream && { altStream: renderValue(match.altStream, scope) }),
      ...(match.holder !== undefined && profile.inPlace && { allowInplace: false as const }),
      ...(match.isHeadsFirst && profile.headsFirst === "option" && { headOrder: "heads-first" as const }),
      layout: layoutAt(form, offset, before),
    });
  const edits = withOpening(opening, editsFor(match, anchor, call, frontEnd), anchor, match, frontEnd);
  const removed = edits.map(({ span }) => span).filter(({ start, end }) => end > start);
  const kept = commentsIn(removed, match);
  const withComments = kept.length === 0 ? edits : keepComments(edits, kept, anchor, match);
  const lines = linesOfPair(match);
  return {
    edits: withComments,
    removed,
    finding: {
      ...lines,
      kind: "replaced",
      ...(kept.length > 0 && { reason: "comment-inside" as const }),
      symbol: fn.symbol,
      message: `${describeInline(match, form.text)} become one call of ${profile.helper.name}${kept.length > 0 ? "; comments inside it are kept above the call" : ""}`,
    },
  };
}

type WriteCall = (offset: number, before: string) => string;

function editsFor(
  match: InlineMatch,
  anchor: Step,
  call: WriteCall,
  frontEnd: LanguageFrontEnd,
): readonly TextEdit[] {
  const { q, k } = match;
  const { form } = match.at;
  const kept = [anchor, q.step, k.step];
  for (const step of kept) refuseDeclarator(step, form);
  const leading = new Set([...q.temporaries, ...k.temporaries].filter((step) => !kept.includes(step)));
  const staysRows = q.rows !== undefined || k.rows !== undefined;
  const tuple = staysRows ? undefined : sharedTuple(q, k);
  if (tuple !== undefined) {
    const isWhole = form.text[tuple.span.start] === "[" || form.text[tuple.span.start] === "(";
    const span = isWhole ? tuple.span : { start: tuple.items[0]!.span.start, end: tuple.items[1]!.span.end };
    return [...removals([...leading], form), { span, text: call(span.start, "") }];
  }
  const pair = staysRows ? undefined : assignedPair(match);
  const { semicolon } = styleOf(form);
  if (pair !== undefined) {
    const before = frontEnd.writeAssignment({ ...pair, value: "", semicolon: false });
    const value = call(anchor.span.start, before);
    const text = frontEnd.writeAssignment({ ...pair, value, semicolon });
    const others = [q.step, k.step].filter((step) => step !== anchor);
    const span = withoutSemicolon(anchor.span, form);
    return [...removals([...leading, ...others], form), { span, text }];
  }
  return [...removals([...leading], form), ...hoisted(match, anchor, call, frontEnd, semicolon)];
}

/** Both results are assigned to variables and nothing else happens there. */
function assignedPair({
  q,
  k,
}: InlineMatch): { q: string; k: string; declares?: "const" | "let" | "var" } | undefined {
  const [a, b] = [q, k].map((side) => {
    const last = side.targets.at(-1);
    if (last === undefined) return undefined;
    const declares = side.step.kind === "assign" ? side.step.declares : undefined;
    const isPlain = side.step.kind !== "assign" || side.step.target.kind === "name";
    return isPlain ? { name: last.name, declares } : undefined;
  });
  if (a === undefined || b === undefined || a.declares !== b.declares || a.declares === "using")
    return undefined;
  const declares = a.declares;
  return { q: a.name, k: b.name, ...(declares && { declares }) };
}

/** A statement with the pair before the anchor; in place of each norm its name. */
function hoisted(
  match: InlineMatch,
  anchor: Step,
  call: WriteCall,
  frontEnd: LanguageFrontEnd,
  semicolon: boolean,
): readonly TextEdit[] {
  const { q, k, at } = match;
  if (q.path === undefined || k.path === undefined) {
    throw new Refusal("ambiguous", "the results of a branch go into something that could not be taken apart");
  }
  if (match.position > Math.min(q.index, k.index)) {
    throw new Refusal("ambiguous", "q is needed before k is there, so no one place serves both");
  }
  const { text, mentions, language } = at.form;
  const names = language === "python" ? ["q_normed", "k_normed"] : ["qNormed", "kNormed"];
  const [qName, kName] = names.map((name) => freshName(name, mentions));
  const pair = { q: qName!, k: kName!, ...(language === "python" ? {} : { declares: "const" as const }) };
  const start = anchor.span.start;
  if (text.slice(lineStart(text, start), start).trim() !== "") {
    throw new Refusal("ambiguous", "the statement shares its line, so there is no place for another one");
  }
  const before = frontEnd.writeAssignment({ ...pair, value: "", semicolon: false });
  const value = frontEnd.writeAssignment({ ...pair, value: call(start, before), semicolon });
  const { lineEnd } = styleOf(at.form);
  const inserted = `${value}${lineEnd}${indentAt(text, start)}`;
  const results = [q, k].map((side, i) => ({
    span: side.path!.at(-1)!.span,
    text: resultText(side, i === 0 ? qName! : kName!, match),
  }));
  return [{ span: { start, end: start }, text: inserted }, ...results];
}

/** What stands for the norm: the helper's result, made rows of where the norm was given rows and gave them. */
function resultText({ rows, step, index }: Side, name: string, { at, block }: InlineMatch): string {
  if (rows === undefined) return name;
  const { form, trace } = at;
  const tensor = reshapedBy(rows, (one) => trace.values.get(one))!;
  const isThere = within(rows.span, step.span);
  if (!isThere && !stillMeans(rows, { form, trace, visible: block.before[index] ?? new Map() }, [step.span]))
    throw new Refusal("shape-changed", "the result does not come back in the shape of the input");
  const { start, end } = rows.span;
  return form.text.slice(start, tensor.span.start) + name + form.text.slice(tensor.span.end, end);
}

function inputText(side: Side, scope: Scope, going: readonly Span[]): string {
  const { trace, form } = scope;
  const spans = removedBy(side);
  const inside = [...trace.values].filter(
    ([expr, value]) => value === side.input && spans.some((span) => within(expr.span, span)),
  );
  const outermost = inside.find(
    ([expr]) => !inside.some(([other]) => other !== expr && within(expr.span, other.span)),
  );
  const found = inside.find(
    ([expr]) => expr.kind === "name" && scope.visible.get(expr.name)?.value === side.input,
  );
  const expr: Expr | undefined = found?.[0] ?? outermost?.[0];
  return expr !== undefined && stillMeans(expr, scope, going)
    ? sourceOf(expr, form)
    : renderValue(side.input, scope);
}

/** As written, so that a `!` stays; a norm of an inlined helper is spelled anew. */
function normText(side: Side, scope: Scope, going: readonly Span[]): string {
  const { event } = side;
  if (event.value.style === "function")
    throw new Refusal(
      "ambiguous",
      "what the norm is given besides has another value where the call would stand",
    );
  if (event.inlined || !scope.trace.values.has(event.call)) return renderValue(event.value.norm, scope);
  const { callee } = event.call;
  const norm =
    scope.trace.values.get(callee) === event.value.norm || callee.kind !== "attribute"
      ? callee
      : callee.object;
  return stillMeans(norm, scope, going) ? sourceOf(norm, scope.form) : renderValue(event.value.norm, scope);
}

function commentsIn(removed: readonly Span[], { at }: InlineMatch): readonly string[] {
  const inside = at.form.comments.filter(({ span }) => removed.some((one) => within(span, one)));
  return inside.map(({ span }) => at.form.text.slice(span.start, span.end));
}

function keepComments(
  edits: readonly TextEdit[],
  comments: readonly string[],
  anchor: Step,
  { at }: InlineMatch,
): readonly TextEdit[] {
  const { text } = at.form;
  const { lineEnd } = styleOf(at.form);
  const indent = indentAt(text, anchor.span.start);
  const lines = comments.map((comment) => `${comment}${lineEnd}${indent}`).join("");
  const start = lineStart(text, anchor.span.start);
  // Behind the head of a one-line block a comment would push the statement out of the block.
  if (text.slice(start, anchor.span.start).trim() !== "") {
    const above = comments.map((comment) => `${indent}${comment}${lineEnd}`).join("");
    return [...edits, { span: { start, end: start }, text: above }];
  }
  const first = edits.find(({ span, text: added }) => span.start === anchor.span.start && added !== "");
  if (first === undefined) {
    return [...edits, { span: { start: anchor.span.start, end: anchor.span.start }, text: lines }];
  }
  return edits.map((edit) => (edit === first ? { ...edit, text: lines + edit.text } : edit));
}

/** The lines of both norms, from the first that changes to the last. */
export function linesOfPair({ q, k, at }: InlineMatch): { line: number; endLine: number } {
  const { text } = at.form;
  const spans = [q, k].flatMap((side) => [...removedBy(side), side.step.span]);
  return {
    line: lineAt(text, Math.min(...spans.map(({ start }) => start))),
    endLine: lineAt(text, Math.max(...spans.map(({ end }) => end))),
  };
}

function describeInline({ q, k, altStream }: InlineMatch, text: string): string {
  const name = ({ event }: Side) =>
    event.value.norm.kind === "attribute"
      ? event.value.norm.name
      : text.slice(event.site.span.start, event.site.span.end);
  const what = name(q) === name(k) ? `${name(q)} of q and of k` : `${name(q)} and ${name(k)}`;
  return `${what}${altStream ? " on two streams" : ""}`;
}
