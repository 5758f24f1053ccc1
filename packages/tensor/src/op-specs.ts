// What ops are told besides the tensors that they work on: numbers, and tensors of any kind T that belong together.
import type { NormRounding, RopeLayout } from "@qknorm/core";

export type { RopeLayout } from "@qknorm/core";

/** Rotation of the first `2 * R` values of each head by tabulated angles. */
export interface RopeTable<T> {
  /** f32 `[P, R]`, for positions `0..P-1`. */
  readonly cos: T;
  readonly sin: T;
  /** `halves`, the default: value `i` turns against `i + R`. `interleaved`: value `2i` against `2i + 1`. */
  readonly layout?: RopeLayout | undefined;
}

/** A function of each element: activations by transformers' meaning of them, and three with a number of their own. */
export type Pointwise =
  | { readonly kind: Activation }
  /** `factor * x`, both and their product in f32. */
  | { readonly kind: "scale"; readonly factor: number }
  /** `cap * tanh(x / cap)`; the quotient and the tangent are rounded too. */
  | { readonly kind: "soft-cap"; readonly cap: number }
  /** `min(max(x, -limit), limit)`; the limit is rounded. */
  | { readonly kind: "clamp"; readonly limit: number };

export type Activation =
  | "silu"
  | "gelu"
  | "gelu-tanh"
  | "relu"
  /** `max(x, 0)^2`. */
  | "relu2"
  | "sigmoid"
  | "softplus"
  | "tanh";

/** The scalars of xIELU, as a checkpoint holds them: each of one element. */
export interface XieluParameters<T> {
  readonly alphaP: T;
  readonly alphaN: T;
  readonly beta: T;
  readonly eps: T;
}

/** f32 `[S, Hkv]` each: what the stored values of a slot's head are multiplied by. */
export interface CacheScales<T> {
  readonly k: T;
  readonly v: T;
}

/** Scales as a write has them. */
export interface CacheWriteScales<T> extends CacheScales<T> {
  /** `computed`: written, for each token and head its largest magnitude over 448. `given`: read. */
  readonly mode: "computed" | "given";
}

/** How a router turns a token's logits into experts and their weights; all in f32 or wider. */
export interface RouterSpec {
  /** Probabilities over all experts, or the sigmoid of each. */
  readonly score: "softmax" | "sigmoid";
  /** k: how many experts a token goes to. */
  readonly topK: number;
  /**
   * The experts in `count` equal runs, of which only the `kept` best take part: those whose two largest scores, bias
   * added, have the largest sum (DeepSeek-V3). Null: all take part.
   */
  readonly groups: { readonly count: number; readonly kept: number } | null;
  /** The weights are divided by their sum, `eps` added to it. Null: they stay as they are. */
  readonly normalize: { readonly eps: number } | null;
  /** Multiplies the weights at the end. */
  readonly factor: number;
}

/** What a gated delta rule reads beside q, k and v: per token, and per value head. */
export interface DeltaGates<T> {
  /** `[T, N]`: how much a head forgets at a token, before softplus. */
  readonly a: T;
  /** `[T, N]`: how much of a token a head writes, before the sigmoid. */
  readonly b: T;
  /** `[N]`: ln of a head's rate of decay. */
  readonly aLog: T;
  /** `[N]`, added to `a`. */
  readonly dtBias: T;
}

/** Numbers of a gated delta rule. */
export interface DeltaSpec {
  /** Factor on q. */
  readonly scale: number;
  /** `hf` rounds the sigmoid of `b` to the dtype of `b`. */
  readonly rounding: NormRounding;
}

/** B texts that grow on a device, all i32: what a decode step reads, and what it has chosen. */
export interface GrowingTexts<T> {
  /** `[B]`: the last token of each. */
  readonly ids: T;
  /** `[B]`: where it stands. */
  readonly positions: T;
  /** `[B, L]`: the token that was chosen at each position; -1 where no logit was a finite largest. */
  readonly log: T;
}

/** How B texts draw their next tokens. All of it may change between replays of a graph. */
export interface TokenDraws<T> {
  /** f32 `[B, 6]`: temperature, top-p (1: off), min-p (0: off), and the penalties for repetition (1: off), presence and frequency. */
  readonly settings: T;
  /** i32 `[B, 3]`: top-k (0: off), and the lower and the upper 32 bits of the seed. */
  readonly keys: T;
  /** i32 `[B]`: each draw of a seed has its own, as where the token stands in its text. */
  readonly counters: T;
  /**
   * i32 `[B, V]`: twice how often each token was drawn, which goes up, and one more where the prompt has it. The penalty for
   * repetition is for all that are not 0, the others are for those that were drawn. Null: no penalties.
   */
  readonly seen: T | null;
}
