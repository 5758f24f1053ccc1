import { JointAttention, type JointAttentionOptions } from "../../layers/joint-attention.ts";
import { assertText, refuse } from "../../layers/layer-arguments.ts";
import { layerNormSetting, type NormSetting, rmsSetting } from "../../layers/norm.ts";
import { assertMade } from "../made-config.ts";
import type { Sd3AttentionConfig, Sd3Norm } from "./config.ts";

export type { JointInputs, JointOutputs } from "../../layers/joint-attention.ts";
export { parseSd3AttentionConfig, type Sd3AttentionConfig } from "./config.ts";

/**
 * Attention of Stable Diffusion 3 and 3.5: an image `[T, C]` and a text `[S, Cc]` as one sequence with the image first, and no
 * positions. In SD3.5 q and k `[T, H, D]` of each stream go through RMS norms of their own per head, weights `[D]`, rounded
 * before and after the weight. From Esser et al. (2024) and diffusers' `Attention` with `JointAttnProcessor2_0`.
 */
export class Sd3Attention extends JointAttention {
  constructor(config: Sd3AttentionConfig, options: JointAttentionOptions) {
    assertMade(config, options);
    const { heads, headDim, width, outWidth, bias, outBias, context } = config;
    assertText(config.norm, "the norm of the config");
    if (!Object.hasOwn(NORMS, config.norm)) refuse("the norm of a config must be a known one", config.norm);
    const norm = NORMS[config.norm](headDim, config.eps);
    super(
      {
        heads,
        headDim,
        first: "image",
        image: {
          width,
          bias,
          norm: norm === null || config.normWeights ? norm : { ...norm, shape: null, bias: false },
          out: { width: outWidth, bias: outBias },
        },
        context: context && {
          width: context.width,
          bias: context.bias,
          norm: addedNorm(config, norm),
          out: context.outWidth === null ? null : { width: context.outWidth, bias: outBias },
        },
      },
      options,
    );
  }
}

const NORMS: Readonly<Record<Sd3Norm, (headDim: number, eps: number) => NormSetting | null>> = {
  none: () => null,
  rms_norm: rmsSetting,
  layer_norm: (headDim, eps) => layerNormSetting(headDim, eps, "bias"),
  fp32_layer_norm: (headDim, eps) => ({ ...layerNormSetting(headDim, eps, "no bias"), shape: null }),
};

/** diffusers drops the weights of the text's LayerNorm with those of the image's, and never those of its RMS norm. */
function addedNorm(
  { norm: kind, normWeights }: Sd3AttentionConfig,
  norm: NormSetting | null,
): NormSetting | null {
  if (norm === null || normWeights || kind === "rms_norm") return norm;
  return { ...norm, shape: null, bias: false };
}
