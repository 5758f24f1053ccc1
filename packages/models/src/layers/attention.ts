import { applyQkNorm, type QkNormOptions } from "@qknorm/core";
import { attention, type Tensor } from "@qknorm/tensor";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import { PackedLinear } from "./packed-linear.ts";
import { RmsNorm } from "./rms-norm.ts";
import type { RotaryEmbedding } from "./rotary-embedding.ts";
import type { Step } from "./step.ts";

/** The sizes of one attention layer. */
export interface AttentionShape {
  readonly hiddenSize: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
  readonly bias: boolean;
  /** How many tokens a query sees, itself included. Default: all before it. */
  readonly window?: number | null;
  /** `none`: every query sees all keys. Default: `causal`. */
  readonly mask?: "causal" | "none";
}

/** Grouped-query attention with QK norm before RoPE, as Qwen3 has it. */
export class Attention extends Module {
  readonly qkvProj: PackedLinear;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly oProj: Linear;
  readonly #layer: number;
  readonly #shape: AttentionShape;
  readonly #rotary: RotaryEmbedding;
  readonly #rounding: LayerOptions["rounding"];
  readonly #qkNorm: QkNormOptions;

  constructor(
    layer: number,
    shape: AttentionShape,
    rotary: RotaryEmbedding,
    options: LayerOptions & { readonly qkNorm?: QkNormOptions },
  ) {
    super();
    const { hiddenSize, queryHeads, kvHeads, headDim, eps, bias } = shape;
    const parts = { q_proj: queryHeads * headDim, k_proj: kvHeads * headDim, v_proj: kvHeads * headDim };
    this.qkvProj = new PackedLinear(hiddenSize, parts, { ...options, bias });
    this.qNorm = new RmsNorm(headDim, eps, options);
    this.kNorm = new RmsNorm(headDim, eps, options);
    this.oProj = new Linear(queryHeads * headDim, hiddenSize, { ...options, bias });
    this.#layer = layer;
    this.#shape = shape;
    this.#rotary = rotary;
    this.#rounding = options.rounding;
    this.#qkNorm = options.qkNorm ?? {};
  }

  forward(x: Tensor, step: Step): Tensor {
    const { queryHeads, kvHeads, headDim } = this.#shape;
    const tokens = x.dim(0);
    const qkv = this.qkvProj.forward(x); // [T, (Hq + 2 Hkv) * D]
    const [q, k, v] = qkv.split(-1, [queryHeads * headDim, kvHeads * headDim, kvHeads * headDim]) as Triple;

    const [nq, nk] = this.#normalize(q, k, step);
    const queries = nq.view([tokens, queryHeads, headDim]); // [T, Hq, D]
    const newKeys = nk.view([tokens, kvHeads, headDim]); // [T, Hkv, D]
    this.#rotary.apply(queries, step.positions);
    this.#rotary.apply(newKeys, step.positions);

    const [keys, values] = step.cache.append(this.#layer, newKeys, v.view([tokens, kvHeads, headDim])); // [S, Hkv, D]
    const mixed = attention(queries, keys, values, {
      past: step.past,
      window: this.#shape.window ?? 0,
      mask: this.#shape.mask ?? "causal",
      scale: headDim ** -0.5,
      rounding: this.#rounding,
    }); // [T, Hq, D]
    return this.oProj.forward(mixed.view([tokens, queryHeads * headDim]));
  }

  #normalize(q: Tensor, k: Tensor, step: Step): [Tensor, Tensor] {
    const { qNorm, kNorm } = this;
    const { headDim } = this.#shape;
    const run = (): [Tensor, Tensor] => applyQkNorm(q, k, qNorm, kNorm, headDim, this.#qkNorm);
    return step.trace === null
      ? run()
      : step.trace.qkNorm(this.#layer, { q, k, qNorm, kNorm, headDim, options: this.#qkNorm }, run);
  }
}

type Triple = [Tensor, Tensor, Tensor];
