import { assertObject, assertObjectOrNull, assertSizes, refuse } from "./layer-arguments.ts";
import type { NormSetting } from "./norm.ts";
import type { QueryTemperature } from "./query-temperature.ts";
import type { RopeSpec } from "./rotary-embedding.ts";

/** The norms of q and k, and where they stand. */
export interface QkNormSetting {
  readonly q: NormSetting;
  readonly k: NormSetting;
  readonly order: "norm-rope" | "rope-norm";
  /** The checkpoint has one norm for each head: `q_norm.norms.3.weight`. Default: one tensor. */
  readonly split?: "per-head";
}

/** One attention layer as data: what families differ in. Each may add to it by a class of its own. */
export interface AttentionSpec {
  /** C. */
  readonly hiddenSize: number;
  /** Hq, a multiple of Hkv. */
  readonly queryHeads: number;
  readonly kvHeads: number;
  /** D. */
  readonly headDim: number;
  /** Of the projections; default: none. */
  readonly bias?: { readonly qkv: boolean; readonly out: boolean };
  /** Null for attention without QK norm. */
  readonly qkNorm: QkNormSetting | null;
  /** Applied to v `[T, Hkv, D]` (Gemma 4). */
  readonly valueNorm?: NormSetting;
  /**
   * Where k and v come from. `projected`, the default; `keys`: v is k before its norm and RoPE, so that it needs a
   * `valueNorm`; a layer: both are those that it stored, and nothing of them is here (Gemma 4).
   */
  readonly values?: "projected" | "keys" | { readonly ofLayer: number };
  /** q_proj gives each head D values of a gate after its q; mixed values are multiplied by its sigmoid (Qwen3-Next). */
  readonly queryGate?: true;
  /** q and k after their norms, and v, are cut to `-clip..clip`, before RoPE (OLMoE); null: they stay. */
  readonly clip?: number | null;
  /** Null for a layer without positions. */
  readonly rope: RopeSpec | null;
  /** Makes queries larger as the sequence grows (Llama 4, on layers without positions). */
  readonly temperature?: QueryTemperature | null;
  /** How many keys a query sees, its own included; null, the default, for all before it. */
  readonly window?: number | null | undefined;
  /** `none`: every query sees all keys. Default: `causal`. */
  readonly mask?: "causal" | "none";
  /** Keys are seen within runs of so many (Llama 4). */
  readonly chunk?: number;
  readonly softCap?: number;
  /** Factor on the scores; default `D^-0.5`. */
  readonly scale?: number;
  /**
   * How the checkpoint has q, k and v: a tensor each, all in one as `[all q, all k, all v]`, or in one as q, k, v of each
   * head in turn.
   */
  readonly packing?: "separate" | "packed" | "packed-per-head";
  /** What the checkpoint calls the parts: `{ qNorm: "q_layernorm", oProj: "dense" }`; others are as their fields. */
  readonly names?: Readonly<Record<string, string>>;
}

/**
 * Throws `ERR_QKNORM_ARGUMENT` for what is no spec, for sizes that are no integers from 1, and where `qkNorm` or `rope` was
 * left out: a layer without them says so by null.
 */
export function assertAttentionSpec(spec: unknown): asserts spec is AttentionSpec {
  assertObject(spec, "the spec of an attention layer");
  const { hiddenSize, queryHeads, kvHeads, headDim, qkNorm, rope } = spec as Partial<AttentionSpec>;
  assertSizes({ hiddenSize, queryHeads, kvHeads, headDim }, 1);
  if ((queryHeads as number) % (kvHeads as number) !== 0)
    refuse(`queryHeads must be a multiple of kvHeads (${kvHeads})`, queryHeads);
  assertObjectOrNull(qkNorm, "qkNorm");
  assertObjectOrNull(rope, "rope");
}
