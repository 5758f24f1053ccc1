import type { CallExpr, Expr, FunctionForm, NameExpr, Span, Step } from "../form/form.ts";
import type { Value, ValueOf } from "./value.ts";

/** One assignment of a variable: what its readers see. */
export interface Definition {
  readonly name: string;
  readonly value: Value;
  /** The statement that assigns it; undefined for a parameter. */
  readonly step: Step | undefined;
  readonly block: Block;
  /** After a branch: the definitions of its arms. */
  readonly sources: readonly Definition[];
  readonly reads: Read[];
}

export interface Read {
  readonly expr: NameExpr;
  readonly definition: Definition;
  readonly step: Step;
  readonly block: Block;
  /** Grows in the order of evaluation. */
  readonly order: number;
}

/** A list of steps that run one after the other. */
export interface Block {
  readonly steps: readonly Step[];
  readonly parent: { readonly block: Block; readonly step: Step } | undefined;
  readonly kind: "body" | "then" | "otherwise" | "scope" | "loop" | "opaque";
  /** The variables before each step, by the step's index. */
  readonly before: ReadonlyMap<string, Definition>[];
  /** Whether a `return` or the like ends it. */
  terminates: boolean;
}

/** A place where a norm is applied. */
export interface NormEvent {
  readonly value: ValueOf<"norm">;
  /** The call in this function: of the norm, or of the helper that applies it. */
  readonly site: Expr;
  /** The norm's own call, also when it stands in a helper. */
  readonly call: CallExpr;
  readonly step: Step;
  readonly block: Block;
  readonly order: number;
  readonly inlined: boolean;
  /** The inlined code does something besides: it counts, logs, or keeps what it is given. */
  readonly doesMore: boolean;
  /** The function whose code holds the norm's call. */
  readonly home: FunctionForm;
  readonly isOptional: boolean;
  readonly stream: Value | undefined;
}

/** What one step did. */
export interface StepTrace {
  readonly block: Block;
  readonly index: number;
  readonly order: number;
  readonly assigned: Definition[];
  /** It does something that is no computation of local variables: a call for its effect, a write to an attribute. */
  hasEffect: boolean;
}

/** A value that outlives its variable: stored in an attribute or an element. */
export interface Store {
  readonly value: Value;
  readonly step: Step;
  readonly order: number;
}

/** A function written inside the traced one: it reads these variables whenever it runs, whatever they hold by then. */
export interface Capture {
  readonly names: ReadonlySet<string>;
  readonly span: Span;
  readonly order: number;
}

export interface Trace {
  readonly body: Block;
  readonly values: ReadonlyMap<Expr, Value>;
  readonly orders: ReadonlyMap<Expr, number>;
  readonly steps: ReadonlyMap<Step, StepTrace>;
  readonly reads: readonly Read[];
  readonly events: readonly NormEvent[];
  readonly stores: readonly Store[];
  /** Every assignment of a variable, parameters and merges included. */
  readonly definitions: readonly Definition[];
  readonly captures: readonly Capture[];
  /** The code of closures and of functions declared inside. */
  readonly closures: ReadonlyMap<Value, { readonly body: readonly Step[] }>;
  /** What an unknown value may be, or hold: the items of an object, what a closure sees, either value of a loop variable. */
  readonly contents: ReadonlyMap<Value, readonly Value[]>;
  /** What the function returns; undefined when it returns nothing, or not on every way. */
  readonly result: Value | undefined;
  readonly params: readonly Value[];
}
