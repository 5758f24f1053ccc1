import { applyQkNorm, QkNormError, type QkNormOptions } from "@qknorm/core";
import { add, Indices, rope, type Tensor } from "@qknorm/tensor";
import { fullAttention } from "../../layers/full-attention.ts";
import { assertInputs, type JointAttentionOptions, type JointInputs } from "../../layers/joint-attention.ts";
import { assertSizes } from "../../layers/layer-arguments.ts";
import { Linear } from "../../layers/linear.ts";
import { Module } from "../../layers/module.ts";
import { Norm, type NormSetting, rmsSetting } from "../../layers/norm.ts";
import { assertMade } from "../made-config.ts";
import type { WanAttentionConfig } from "./config.ts";

export type { JointInputs } from "../../layers/joint-attention.ts";
export { parseWanAttentionConfig, type WanAttentionConfig } from "./config.ts";

/** Tokens of text at the end of a context that begins with an image's; Wan has no other number. */
const TEXT_TOKENS = 512;

/**
 * Attention of Wan: `[T, C] -> [T, C]`, of a video to itself, or to a context `[S, C]`. q `[T, H * D]` and k go through RMS norms
 * across all heads, weights `[H * D]`, rounded once; then, in self-attention, RoPE between neighbours. A context that begins
 * with an image's tokens has k and v of its own for them; q attends to the image and to the text apart, and the two results
 * are added. From Wan 2.1 (Alibaba 2025) and diffusers' `WanAttention`.
 */
export class WanAttention extends Module {
  readonly toQ: Linear;
  readonly toK: Linear;
  readonly toV: Linear;
  readonly toOut: readonly Linear[];
  readonly normQ: Norm;
  readonly normK: Norm;
  readonly addKProj: Linear | null;
  readonly addVProj: Linear | null;
  readonly normAddedK: Norm | null;
  readonly #config: WanAttentionConfig;
  readonly #qkNorm: QkNormOptions;

  constructor(config: WanAttentionConfig, options: JointAttentionOptions) {
    assertMade(config, options);
    super();
    const { width, heads, headDim, eps, imageWidth } = config;
    assertSizes({ heads, headDim }, 1);
    const inner = heads * headDim;
    const norm: NormSetting = { ...rmsSetting(inner, eps), axis: "row", rounding: "once" };
    const inward = (from: number): Linear => new Linear(from, inner, { ...options, bias: true });
    this.toQ = inward(width);
    this.toK = inward(width);
    this.toV = inward(width);
    this.toOut = [new Linear(inner, width, { ...options, bias: true })];
    this.normQ = new Norm(norm, options);
    this.normK = new Norm(norm, options);
    this.addKProj = imageWidth === null ? null : inward(imageWidth);
    this.addVProj = imageWidth === null ? null : inward(imageWidth);
    this.normAddedK = imageWidth === null ? null : new Norm(norm, options);
    this.#config = config;
    this.#qkNorm = options.qkNorm ?? {};
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what are no inputs, and a context without the image's tokens that this block has projections for. */
  forward(inputs: JointInputs): Tensor {
    assertInputs(inputs);
    const { hidden, context, rope: angles, trace } = inputs;
    const [image, text] = this.#parts(context);
    const [q, k] = this.#normed(hidden, text, trace).map((x) => this.#asHeads(x)) as [Tensor, Tensor];
    if (angles !== undefined) {
      const table = { ...angles, layout: "interleaved" } as const;
      for (const x of [q, k]) rope(x, table, Indices.range(0, x.dim(0)), "once");
    }
    const seen = fullAttention(q, k, this.#asHeads(this.toV.forward(text ?? hidden)));
    const mixed = image === null ? seen : add(seen, this.#overImage(q, image));
    return (this.toOut[0] as Linear).forward(mixed.view([mixed.dim(0), mixed.dim(1) * mixed.dim(2)]));
  }

  /** The image's tokens and the text's; null where there are none. */
  #parts(context: Tensor | undefined): readonly [image: Tensor | null, text: Tensor | null] {
    if (this.addKProj === null) return [null, context ?? null];
    const tokens = (context?.dim(0) ?? 0) - TEXT_TOKENS;
    if (context === undefined || tokens < 1) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `this attention needs a context of an image's tokens and then ${TEXT_TOKENS} of text`,
      );
    }
    return context.split(0, [tokens, TEXT_TOKENS]) as [Tensor, Tensor];
  }

  /** q and k, `[T, H * D]` and `[S, H * D]`. */
  #normed(hidden: Tensor, text: Tensor | null, trace: JointInputs["trace"]): [Tensor, Tensor] {
    const { normQ: qNorm, normK: kNorm } = this;
    const [q, k] = [this.toQ.forward(hidden), this.toK.forward(text ?? hidden)];
    // A call normalises q and k of the same tokens; here they are of two sequences.
    if (text !== null) return [qNorm.forward(q), kNorm.forward(k)];
    const request = { q, k, qNorm, kNorm, headDim: this.#config.headDim, options: this.#qkNorm };
    const run = (): [Tensor, Tensor] => applyQkNorm(q, k, qNorm, kNorm, request.headDim, this.#qkNorm);
    return trace?.qkNorm(0, request, run) ?? run();
  }

  #overImage(q: Tensor, image: Tensor): Tensor {
    const { addKProj, addVProj, normAddedK } = this;
    const [k, v] = [normAddedK?.forward((addKProj as Linear).forward(image)), addVProj?.forward(image)];
    return fullAttention(q, this.#asHeads(k as Tensor), this.#asHeads(v as Tensor));
  }

  #asHeads(x: Tensor): Tensor {
    return x.view([x.dim(0), this.#config.heads, this.#config.headDim]);
  }
}
