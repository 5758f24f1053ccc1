import type { Span } from "../text/span.ts";
import type { LiteralExpr, NameExpr, SelfExpr, TypeName } from "./leaf.ts";

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

export type Step =
  | AssignStep
  | EvaluateStep
  | BranchStep
  | StreamStep
  | LoopStep
  | ReturnStep
  | LeaveStep
  | FunctionStep
  | OpaqueStep;

interface StepBase {
  /** The whole statement with its semicolon, without the line end, without comments around it. */
  readonly span: Span;
}

/** `a = value`, `[a, b] = value`, `a, b = value`, `const { a } = value`. A chain `a = b = v` is two steps, b first. */
export interface AssignStep extends StepBase {
  readonly kind: "assign";
  readonly target: Target;
  readonly value: Expr;
  /** How the target is declared here; undefined for a plain assignment. Python's first assignment is plain. */
  readonly declares?: "const" | "let" | "var" | "using";
  /** `+=` and its like, without the `=`. The target is then also read. */
  readonly operator?: string;
}

/** What is assigned to. */
export type Target =
  | { readonly kind: "name"; readonly name: string; readonly span: Span }
  /** `this.x = ...`, `a.b = ...`. */
  | { readonly kind: "attribute"; readonly object: Expr; readonly name: string; readonly span: Span }
  /** `a[i] = ...` writes into a tensor. */
  | { readonly kind: "index"; readonly object: Expr; readonly index: Expr; readonly span: Span }
  /** By position. A hole is undefined; a rest item is a target with `rest`. */
  | { readonly kind: "tuple"; readonly items: readonly (Target | undefined)[]; readonly span: Span }
  /** By property: `const { headDim, eps: epsilon } = config`. */
  | { readonly kind: "record"; readonly fields: readonly RecordField[]; readonly span: Span }
  | { readonly kind: "rest"; readonly target: Target; readonly span: Span };

export interface RecordField {
  readonly property: string;
  readonly target: Target;
}

/** A statement that is one expression. */
export interface EvaluateStep extends StepBase {
  readonly kind: "evaluate";
  readonly value: Expr;
}

/** `if`. An `else if` is a branch inside `otherwise`. Without `else`, `otherwise` is empty and `otherwiseSpan` undefined. */
export interface BranchStep extends StepBase {
  readonly kind: "branch";
  readonly test: Expr;
  readonly then: readonly Step[];
  readonly otherwise: readonly Step[];
  /** The block of each arm, braces included; in Python from its first statement to its last. */
  readonly thenSpan: Span;
  readonly otherwiseSpan?: Span;
}

/**
 * A block that runs under something. In Python every `with`: `context` is what stands after it, one step per item, nested.
 * `try` is a scope whose context is opaque, its handlers `opaque` steps after it. A bare JavaScript block
 * that declares variables is a scope whose context is the literal undefined; any other is spliced in.
 */
export interface StreamStep extends StepBase {
  readonly kind: "scope";
  readonly context: Expr;
  readonly body: readonly Step[];
}

/** `for`, `while`: the body may run any number of times. `head` is what is evaluated, `target` what is assigned. */
export interface LoopStep extends StepBase {
  readonly kind: "loop";
  readonly head: readonly Expr[];
  readonly target?: Target;
  readonly body: readonly Step[];
}

export interface ReturnStep extends StepBase {
  readonly kind: "return";
  readonly value?: Expr;
}

/** `throw`, `raise`, `break`, `continue`: nothing after it in this block runs. */
export interface LeaveStep extends StepBase {
  readonly kind: "leave";
  readonly value?: Expr;
}

/** A function declared inside a function. */
export interface FunctionStep extends StepBase {
  readonly kind: "function";
  readonly declared: FunctionForm;
}

/** A statement of another kind: `switch`, `del`, `global`, `assert`, a handler. Nothing at all (`pass`, types) is left out. */
export interface OpaqueStep extends StepBase {
  readonly kind: "opaque";
  readonly what: string;
  readonly parts: readonly Expr[];
  readonly body: readonly Step[];
}

export interface Param {
  readonly name: string;
  /** The parameter's pattern when it is no plain name. */
  readonly pattern?: Target;
  /** Class name of the annotation, if it is one: see `TypeName`. */
  readonly type?: TypeName;
  readonly initial?: Expr;
  readonly rest: boolean;
  readonly span: Span;
}

export interface FunctionForm {
  readonly name: string;
  /** `Qwen3Attention.forward`, `rmsNorm`, `<module>` for the statements of the file itself. */
  readonly symbol: string;
  readonly kind: "function" | "method" | "constructor" | "accessor" | "module";
  /** The class it is a member of. */
  readonly owner?: string;
  /** Without Python's self. */
  readonly params: readonly Param[];
  readonly returns?: TypeName | undefined;
  readonly body: readonly Step[];
  /** With decorators, modifiers and `export`. */
  readonly span: Span;
  /** The body's block: braces included; in Python from the first statement (docstring included) to the last. */
  readonly bodySpan: Span;
  /** Name as written, where it is declared. */
  readonly nameSpan: Span;
  /** Comments and JSDoc directly above, that would go with the function. */
  readonly leadingComments: readonly Span[];
  /** Names of decorators, without arguments. */
  readonly decorators: readonly string[];
  /** Seen from outside: exported from its module, or a public member. Python: no leading underscore, or in `__all__`. */
  readonly visibility: "exported" | "public" | "protected" | "private";
  readonly isStatic: boolean;
  readonly isAsync: boolean;
}
