import type { FunctionForm } from "./declaration.ts";
import type { Expr, Span } from "./expression.ts";

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
