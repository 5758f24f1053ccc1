import type { Span } from "../text/span.ts";

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

/** `None` and `null` are null; `undefined` and `...` (Ellipsis) are undefined. A template or f-string with holes is opaque. */
export interface LiteralExpr {
  readonly kind: "literal";
  readonly value: number | string | boolean | null | undefined;
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
