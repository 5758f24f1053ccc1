import type { FloatDtype, NormRounding } from "@qknorm/core";
import type { Alignment } from "./alignment.ts";
import type { CudaCacheDtype } from "./cache-dtype.ts";

/** What the attention kernels are specialised for (kernels/attention_span.cuh). */
export interface CudaAttentionForm {
  /** Of q and out. */
  readonly dtype: FloatDtype;
  /** Of k and v; those of e4m3 have scales. */
  readonly cacheDtype: CudaCacheDtype;
  /** 1 to 512. */
  readonly headDim: number;
  readonly rounding: NormRounding;
  readonly mask: "causal" | "none";
  readonly softCap: boolean;
  /** The dtype of the sinks; `null`: none. */
  readonly sinks: FloatDtype | null;
  /** Keys by page tables, of a batch; otherwise one sequence. */
  readonly paged: boolean;
  /** Of the address and strides of q, and of those of k and v. */
  readonly alignment: Alignment;
  readonly cacheAlignment: Alignment;
}

/** What one launch is packed for. Strides are in bytes. */
export interface CudaAttentionShape {
  readonly tokens: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  /** Keys that k and v have room for. */
  readonly capacity: number;
  readonly qStrides: HeadStrides;
  readonly kStrides: HeadStrides;
  readonly vStrides: HeadStrides;
  /** Of the scales of a cache of e4m3. */
  readonly kScaleStrides?: HeadStrides;
  readonly vScaleStrides?: HeadStrides;
  readonly scale: number;
  readonly softCap: number;
  readonly window: number;
  readonly chunk: number;
  /** Of a paged form: sequences, the most queries of one, and their page tables. */
  readonly batch: number;
  readonly mostQueries: number;
  readonly pageSize: number;
  readonly pagesPerSequence: number;
}

export interface HeadStrides {
  readonly token: number;
  readonly head: number;
}

/** One kernel of an attention call. */
export interface AttentionLaunch {
  readonly kernel:
    | "attention"
    | "attention_decode"
    | "attention_join"
    | "attention_ring"
    | "attention_prefill";
  readonly macros: Readonly<Record<string, number>>;
  readonly grid: number;
  readonly threads: number;
  readonly sharedBytes: number;
  /** Of a key/value head of a sequence. */
  readonly blocks: number;
}
