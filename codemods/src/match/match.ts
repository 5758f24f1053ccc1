import type { Block, Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Expr, FileForm, FunctionForm, Step } from "../form/form.ts";
import type { NormFact } from "../norms/norm-fact.ts";
import type { ReasonCode } from "./reasons.ts";
import type { Side } from "./side.ts";

/** A function under the matcher, with what it computes. */
export interface Traced {
  readonly form: FileForm;
  readonly fn: FunctionForm;
  readonly trace: Trace;
}

/** Two norms in the middle of a function that become one call. */
export interface InlineMatch {
  readonly kind: "inline";
  readonly at: Traced;
  readonly q: Side;
  readonly k: Side;
  /** What is known about the two norms. */
  readonly facts: { readonly q: NormFact; readonly k: NormFact };
  readonly headDim: Value | undefined;
  readonly altStream: Value | undefined;
  /** Before this step of `block` the helper goes. */
  readonly block: Block;
  readonly position: number;
  /** Who may still hold q or k as it was; undefined where it is proven that nobody does, so that the helper may overwrite them. */
  readonly holder?: string;
  /** Whether nobody but who called the function may hold them. */
  readonly isOfCallers?: true;
  /** Whether q and k have their heads before their tokens: `[B, H, L, D]`. */
  readonly isHeadsFirst: boolean;
}

/** A whole function that is the step and nothing else; its callers are to call the helper, and it goes. */
export interface PairFunction {
  readonly kind: "pair-function";
  readonly at: Traced;
  readonly qParam: number;
  readonly kParam: number;
  readonly qNorm: Value;
  readonly kNorm: Value;
  readonly headDim: Value | undefined;
  readonly altStream: Value | undefined;
}

/** One call of a pair function. */
export interface PairCall {
  readonly at: Traced;
  readonly call: Extract<Expr, { kind: "call" }>;
  readonly step: Step;
}

/** A copy that stays, and why. */
export interface RefusedMatch {
  readonly kind: "refused";
  readonly reason: ReasonCode;
  readonly message: string;
  readonly at: Traced;
  readonly span: { readonly start: number; readonly end: number };
}
