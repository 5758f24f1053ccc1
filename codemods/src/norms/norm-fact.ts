/**
 * What a norm computes. `plain-rms`: x / sqrt(mean(x^2) + eps) * w. `unit-offset`: the same times (1 + w). `weightless`: RMS
 * without a weight. `layer`: subtracts the mean.
 */
export type NormKind = "plain-rms" | "unit-offset" | "weightless" | "layer" | "l2" | "unknown";

/** How far the norm reaches: one head, the whole row of heads, or something else, such as half a head or a weight for each head. */
export type NormAxis = "head" | "row" | "other" | "unknown";

/** What is known about the norm that one attribute, parameter or function stands for, and from where. */
export interface NormFact {
  /** `RmsNorm`; for a free function its name. Empty if not even that is known. */
  readonly className: string;
  readonly kind: NormKind;
  /** From the size it is constructed with: `headDim` is a head, `heads * headDim` a row. */
  readonly axis: NormAxis;
  /** The name of the size that it is constructed with, when that is one name. */
  readonly sizeName?: string;
  /** Attributes that the class sets on itself, such as `weight`, `eps`, `variance_epsilon`. */
  readonly attributes: readonly string[];
  /** Those of them that its code never reads, so that a helper that does computes something else. */
  readonly unread?: readonly string[];
  /** Whether its forward returns a promise. */
  readonly isAsync: boolean;
  /** Whether it returns several values, whatever it is given. */
  readonly givesTuple?: boolean;
  /** The function that makes the norm function from one that is written out: `jit` of `const rms = jit((x) => ...)`. */
  readonly madeBy?: string;
  /** The eps it is constructed with or given, as text, where that is visible. */
  readonly eps?: string;
  /** What the answer rests on: the class's own code, or only its name when the code is out of reach. */
  readonly resolved:
    | { readonly from: "code"; readonly path: string; readonly line: number }
    | { readonly from: "name"; readonly module: string }
    | { readonly from: "nothing" };
}
