import type { Span } from "../text/span.ts";
import type { Expr, FunctionForm } from "./code.ts";
import type { TypeName } from "./leaf.ts";

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
