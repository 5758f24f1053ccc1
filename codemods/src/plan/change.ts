import type { Span } from "../form/form.ts";
import type { CopyForm } from "../helper/helper-form.ts";
import type { ReasonCode } from "../match/reasons.ts";
import type { TextEdit } from "../text/text-edits.ts";

/** One replaced copy: what it does to the text, and how it is told. */
export interface Change {
  readonly edits: readonly TextEdit[];
  /** Text that goes away, for the question which imports became unused. */
  readonly removed: readonly Span[];
  readonly finding: Finding;
  /** How the copy spells the step; known while a helper is still to be made from all copies. */
  readonly copy?: CopyForm;
}

export interface Finding {
  /** First line, counts from 1. */
  readonly line: number;
  readonly endLine: number;
  readonly kind: "replaced" | "refused";
  /** Set on every refusal; on a replacement for what is worth a look. */
  readonly reason?: ReasonCode;
  readonly symbol: string;
  readonly message: string;
  /** Where the code of a generated file is written by hand, if that can be told. */
  readonly writtenIn?: WrittenPlace;
}

/** A place in the sources that a generated file is made from. */
export interface WrittenPlace {
  /** The file; as the generated file names it when it is not there. */
  readonly path: string;
  /** Set where the function is found there, or in a file that it takes it from. */
  readonly line?: number;
  readonly symbol?: string;
}
