/**
 * The dataflow form: what both front ends lower source code to, and all that the matcher sees.
 *
 * It is a syntax of its own, small on purpose. A front end only translates; it never decides what is a QK norm. It drops
 * what does not change the value (parentheses, `!`, `as T`, `satisfies T`, type annotations, docstrings) and keeps
 * everything else, as `opaque` where no better kind fits, so that every read and every call is seen.
 * Values, versions of variables, inlining of helpers, branches and streams are worked out once, from this form, in `flow`.
 *
 * Every node carries the span it came from. See FORM.md for the lowering table, language by language.
 */

export type { Span } from "../text/span.ts";
export type * from "./code.ts";
export type * from "./declaration.ts";
export type * from "./file.ts";
export type * from "./leaf.ts";
