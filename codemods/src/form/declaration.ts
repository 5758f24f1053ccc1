import type { Expr, Span } from "./expression.ts";
import type { Step, Target } from "./step.ts";

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

/**
 * The class a type annotation names, bare: `Tensor`, `RMSNorm`, `ops.Norm`. For a union with null or undefined,
 * `Optional[X]`, `X | None`, a quoted annotation, `Readonly<X>`: the class inside. Nothing else has a type name.
 */
export interface TypeName {
  readonly name: string;
  readonly nullable: boolean;
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
  readonly returns?: TypeName;
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

export interface ClassForm {
  readonly name: string;
  readonly span: Span;
  readonly bases: readonly Expr[];
  readonly exported: boolean;
  /** Constructor, methods and accessors, in source order. Property arrow functions count as methods. */
  readonly methods: readonly FunctionForm[];
  /** Declared fields, parameter properties, and fields of Python class bodies. */
  readonly fields: readonly FieldForm[];
  /** Where the class stands when it is inside a function. */
  readonly nested: boolean;
}

export interface FieldForm {
  readonly name: string;
  readonly type?: TypeName;
  readonly initial?: Expr;
  readonly span: Span;
}
