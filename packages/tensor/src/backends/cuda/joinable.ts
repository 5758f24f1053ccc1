// Ops of a decoder's step as one launch may have them among others.
import type { NormRounding } from "@qknorm/core";
import type {
  ByteRange,
  CudaAttentionForm,
  CudaChainForm,
  CudaStream,
  DecodeHeads,
  DecodeNorm,
  DecodePages,
  DecodeProduct,
  DecodeStep,
} from "@qknorm/native/cuda";
import type { JoinableNorm, JoinableSum } from "./joined-sum.ts";

export type ProductStep = Extract<DecodeStep, { product: number }>;
export type AttentionStep = Extract<DecodeStep, { product: "attention" }>;

/** A product of one row that may be a step among others. */
export interface JoinableProduct {
  readonly kind: "product";
  readonly dtype: "bf16" | "f16";
  /** Of its norm and gate; null for a product with neither. */
  readonly rounding: NormRounding | null;
  readonly form: DecodeProduct;
  readonly norm: DecodeNorm | null;
  readonly operands: Omit<ProductStep, "product">;
}

/** The chain of one token, in place, into a cache of its dtype. */
export interface JoinableChain {
  readonly kind: "chain";
  readonly form: CudaChainForm;
  readonly operands: Pick<AttentionStep, "q" | "k" | "v" | "kCache" | "vCache" | "qWeight" | "kWeight">;
  readonly heads: Pick<
    DecodeHeads,
    "position" | "cos" | "sin" | "places" | "headStrides" | "kCache" | "vCache" | "qEps" | "kEps" | "capacity"
  >;
  /** i32 `[1]`: the token's. */
  readonly slot: ByteRange;
}

/** Attention of one token over the cache that the chain wrote. */
export interface JoinableAttention {
  readonly kind: "attention";
  readonly form: CudaAttentionForm;
  readonly group: number;
  readonly operands: Pick<AttentionStep, "q" | "kCache" | "vCache" | "out">;
  readonly qHeadStride: number;
  readonly inHalves: boolean;
  /** i32 `[1]`: the keys before the token; null, where keys lie in pages. */
  readonly past: ByteRange | null;
  readonly pages: Omit<DecodePages, "slot"> | null;
  readonly heads: Omit<
    DecodeHeads,
    "position" | "pages" | "cos" | "sin" | "places" | "headStrides" | "qEps" | "kEps"
  >;
}

/** An op as it may be joined with others, and how it is queued by itself; `step` null: only that. */
export interface Joinable {
  readonly step: JoinableProduct | JoinableChain | JoinableAttention | JoinableSum | JoinableNorm | null;
  run(stream: CudaStream): void;
}
