import { JointAttention, type JointAttentionOptions } from "../../layers/joint-attention.ts";
import { type NormSetting, rmsSetting } from "../../layers/norm.ts";
import { assertMade } from "../made-config.ts";
import type { FluxAttentionConfig } from "./config.ts";

export type { JointInputs, JointOutputs } from "../../layers/joint-attention.ts";
export { type FluxAttentionConfig, parseFluxAttentionConfig } from "./config.ts";

/**
 * Attention of Flux: an image `[T, C]` and, in the double blocks, a text `[S, Cc]`, as one sequence with the text first. q
 * and k `[T, H, D]` of each stream go through RMS norms of their own per head, weights `[D]`, rounded once, and then through
 * RoPE between neighbours. From Black Forest Labs' FLUX.1 (2024) and diffusers' `FluxAttention`.
 */
export class FluxAttention extends JointAttention {
  constructor(config: FluxAttentionConfig, options: JointAttentionOptions) {
    assertMade(config, options);
    const { heads, headDim, width, outWidth, eps, bias, outBias, contextWidth, contextBias } = config;
    const norm: NormSetting = { ...rmsSetting(headDim, eps), rounding: "once" };
    super(
      {
        heads,
        headDim,
        first: "context",
        image: {
          width,
          bias,
          norm: config.normWeights ? norm : { ...norm, shape: null },
          out: config.preOnly ? null : { width: outWidth, bias: outBias },
        },
        context:
          contextWidth === null
            ? null
            : { width: contextWidth, bias: contextBias, norm, out: { width, bias: outBias } },
      },
      options,
    );
  }
}
