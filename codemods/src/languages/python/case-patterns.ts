import type { Expr } from "../../form/form.ts";
import { lowerExpression } from "./lower-expression.ts";
import type { Scope } from "./params.ts";
import { partsOf, type SyntaxNode, spanOf } from "./syntax.ts";

/**
 * What decides whether a `case` runs, as one value that is like no other: nothing is known of how a pattern compares. Names that the
 * pattern binds are assigned in it, since they stay bound where the guard fails, and may each be the subject or a part of it.
 */
export function caseTest(clause: SyntaxNode, subject: readonly Expr[], isFirst: boolean, scope: Scope): Expr {
  const patterns = partsOf(clause).filter((part) => part.is("case_pattern"));
  const guards = partsOf(clause).filter((part) => part.is("if_clause"));
  const start = (isFirst ? subject[0]?.span : undefined)?.start ?? spanOf(patterns[0] ?? clause).start;
  const span = { start, end: spanOf(guards.at(-1) ?? patterns.at(-1) ?? clause).end };
  const names = patterns.flatMap(capturesOf).map((name) => lowerExpression(name, scope));
  const target: Expr = { kind: "tuple", items: names, span };
  const compared: readonly Expr[] =
    names.length === 0
      ? subject.slice(0, isFirst ? undefined : 0)
      : [{ kind: "opaque", what: "assignment", parts: [target, ...subject], span }];
  const asked = guards.flatMap(partsOf).map((guard) => lowerExpression(guard, scope));
  return { kind: "opaque", what: "case", parts: [...compared, ...asked], span };
}

/** `case _:`, `case rest:`: the last one, which runs whenever no other did. */
export function takesAll(clause: SyntaxNode): boolean {
  const parts = partsOf(clause).filter((part) => !part.is("block"));
  const [pattern] = parts;
  return parts.length === 1 && pattern?.is("case_pattern") === true && /^[^\W\d]\w*$/u.test(pattern.text);
}

/** Names that the pattern may bind: those that stand alone, behind a star and behind `as`. A dotted one is compared with, and `_` nothing. */
function capturesOf(pattern: SyntaxNode): readonly SyntaxNode[] {
  return pattern.all("identifier").filter((name) => name.text !== "_" && isCapture(name));
}

function isCapture(name: SyntaxNode): boolean {
  const around = name.parent;
  if (around === undefined) return false;
  if (around.is("dotted_name")) {
    const isDotted = partsOf(around).length > 1;
    // The class of `Point(x, y)` is looked up.
    return !isDotted && around.parent?.is("class_pattern") !== true;
  }
  // The name before `=` is an attribute of the subject.
  const [first] = around.is("keyword_pattern") ? partsOf(around) : [];
  return first === undefined || spanOf(first).start !== spanOf(name).start;
}
