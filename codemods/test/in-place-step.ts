/** `before` and `after` stand around the two norms; how q and k are made comes first. */
export interface Step {
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  readonly made?: readonly string[];
  readonly params?: string;
}

export type Outcome = "in place" | "apart" | "kept";

/** How a file came out in which one copy may have been replaced. */
export function outcomeOf(after: string | undefined): Outcome {
  if (after === undefined) return "kept";
  return /allow_inplace=False|allowInplace: false/.test(after) ? "apart" : "in place";
}
