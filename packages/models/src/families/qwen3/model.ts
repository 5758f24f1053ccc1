import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { assertLayerOptions, assertList, assertObject, assertSizes } from "../../layers/layer-arguments.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { parseQwen3Config, type Qwen3Config } from "./config.ts";

export { parseQwen3Config, type Qwen3Config } from "./config.ts";

/**
 * Attention of Qwen3: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * before RoPE; `hf` rounds the normalised row, then its product with the weight. From the Qwen3 technical report (2025)
 * and transformers' `Qwen3Attention`.
 */
export class Qwen3Attention extends Attention {
  constructor(config: Qwen3Config, options: AttentionOptions) {
    assertConfig(config, options);
    const { headDim, eps, attentionBias } = config;
    const norm = rmsSetting(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        mask: config.causal ? "causal" : "none",
        window: config.windows[options.layer ?? 0] ?? null,
      },
      options,
    );
  }
}

/** Qwen3 (dense). */
export class Qwen3ForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen3Config, options: ModelOptions) {
    assertConfig(config, options);
    super(denseDecoder(config, { attention: Qwen3Attention }), options);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` for what `parseQwen3Config` did not make, and for no options. */
function assertConfig(config: unknown, options: unknown): void {
  assertObject(config, "the config of Qwen3");
  const { layers, windows } = config as Partial<Qwen3Config>;
  assertSizes({ layers }, 1);
  assertList(windows, "the windows of a config of Qwen3");
  assertLayerOptions(options);
}

export const qwen3 = decoderFamily({ modelType: "qwen3", parse: parseQwen3Config, create: Qwen3ForCausalLm });
