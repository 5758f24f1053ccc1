import type { Param } from "./declaration.ts";
import type { Step } from "./step.ts";

/** Half-open range of UTF-16 offsets into the text that was lowered. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Expr =
  | NameExpr
  | SelfExpr
  | AttributeExpr
  | CallExpr
  | IndexExpr
  | TupleExpr
  | LiteralExpr
  | OperationExpr
  | ChoiceExpr
  | ClosureExpr
  | AwaitExpr
  | OpaqueExpr;

/** A variable, parameter, import or global. */
export interface NameExpr {
  readonly kind: "name";
  readonly name: string;
  readonly span: Span;
}

/** `this`; in Python the first parameter of a method, whatever it is called. `super` is opaque. */
export interface SelfExpr {
  readonly kind: "self";
  readonly span: Span;
}

/** `object.name`; `#name` keeps its `#`. `a["name"]` with a literal string is an attribute in JavaScript. */
export interface AttributeExpr {
  readonly kind: "attribute";
  readonly object: Expr;
  readonly name: string;
  /** `object?.name`. */
  readonly optional: boolean;
  readonly span: Span;
}

/** A call; `new C(...)` too. In Python a construction looks like a call, so `construct` is false there. */
export interface CallExpr {
  readonly kind: "call";
  readonly callee: Expr;
  readonly args: readonly Argument[];
  readonly construct: boolean;
  /** `f?.(x)`. A `?.` further left is on its attribute. */
  readonly optional: boolean;
  readonly span: Span;
}

export interface Argument {
  readonly value: Expr;
  /** The keyword, for `f(x, dim=-1)`; JavaScript has none. */
  readonly keyword?: string;
  /** `...xs`, `*xs`, `**xs`. */
  readonly spread: boolean;
  /** The whole argument, keyword included. */
  readonly span: Span;
}

/** `object[index]`. A slice `a:b` inside the index is an `operation` with operator `:`; several indices are a tuple. */
export interface IndexExpr {
  readonly kind: "index";
  readonly object: Expr;
  readonly index: Expr;
  readonly span: Span;
}

/** Array literal, list or tuple. A spread item is `opaque` with the item as its part. */
export interface TupleExpr {
  readonly kind: "tuple";
  readonly items: readonly Expr[];
  readonly span: Span;
}

/** `None` and `null` are null; `undefined` and `...` (Ellipsis) are undefined. A template or f-string with holes is opaque. */
export interface LiteralExpr {
  readonly kind: "literal";
  readonly value: number | string | boolean | null | undefined;
  readonly span: Span;
}

/**
 * Unary, binary, comparison. Operators are spelled as in JavaScript where both languages have them: `and` is `&&`, `or` is
 * `||`, `not` is `!`, `is` and `==` and `===` are `==`, `is not` and `!=` and `!==` are `!=`. Python's `//`, `**`, `@`, `in`
 * and `:` (slice) keep their own spelling. `-1` is the literal -1, not an operation.
 * `??` is an operation. An assignment used as an expression (`a = b`, `:=`) is an `opaque` with both parts.
 */
export interface OperationExpr {
  readonly kind: "operation";
  readonly operator: string;
  readonly operands: readonly Expr[];
  readonly span: Span;
}

/** `test ? then : otherwise`, `then if test else otherwise`. */
export interface ChoiceExpr {
  readonly kind: "choice";
  readonly test: Expr;
  readonly then: Expr;
  readonly otherwise: Expr;
  readonly span: Span;
}

/** Arrow function, function expression, lambda. An expression body is one `return` step. */
export interface ClosureExpr {
  readonly kind: "closure";
  readonly params: readonly Param[];
  readonly body: readonly Step[];
  readonly span: Span;
}

export interface AwaitExpr {
  readonly kind: "await";
  readonly value: Expr;
  readonly span: Span;
}

/** Anything else. `parts` are the expressions inside it, in source order: their reads count. */
export interface OpaqueExpr {
  readonly kind: "opaque";
  readonly parts: readonly Expr[];
  /** What it is, for messages: `template`, `object`, `comprehension`, `yield`, `assignment`. */
  readonly what: string;
  readonly span: Span;
}
