/** Why a copy is left as it is. The codes are stable: other tools and people's notes refer to them. */
export const reasonCodes = [
  "parse-error",
  "generated-file",
  "unit-offset-norm",
  "layer-norm",
  "unknown-norm",
  "norm-not-per-head",
  "third-norm",
  "aliased-input",
  "shape-changed",
  "different-head-dim",
  "conditional-side",
  "one-sided",
  "ownership",
  "overridden-method",
  "other-callers",
  "helper-mismatch",
  "class-not-shared",
  "comment-inside",
  "ambiguous",
] as const;

export type ReasonCode = (typeof reasonCodes)[number];

/** Thrown inside the matcher to leave a copy alone; caught where findings are made. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reason: ReasonCode;

  constructor(reason: ReasonCode, message: string) {
    super(message);
    this.reason = reason;
  }
}
