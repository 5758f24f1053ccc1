/** How the ranks of tensor parallelism share one parameter (Shoeybi et al. 2019, Megatron-LM). */
export type ShardRule =
  /** Every rank has all of it. */
  | "whole"
  /** The first rank alone has it: a bias that is added to what all ranks give together. */
  | "first"
  | SplitRule;

/** Each rank has an equal run of an axis. */
export interface SplitRule {
  readonly axis: number;
  /** Lengths along the axis of what stands there side by side, each of which is split: q, k and v. Default: all is one. */
  readonly parts?: readonly number[];
  /** What ranks add up before the parameter applies, besides their results: a norm across heads spans them all. */
  readonly reduces?: "sum of squares";
}

/** Which side of a projection ranks share: its outputs, or its inputs, whose partial results they add up. */
export type SharedSide = "outputs" | "inputs";
