import type { LayerHeads } from "../../checkpoint/layer-heads.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { assertObject } from "../../layers/layer-arguments.ts";
import { type NormSetting, rmsSetting } from "../../layers/norm.ts";
import { assertMade } from "../made-config.ts";
import type { Gemma4Config } from "./config.ts";

/** RMS times the weight as it is, rounded once. */
export function gemma4Norm(width: number, eps: number): NormSetting {
  return { ...rmsSetting(width, eps), rounding: "once" };
}

/**
 * Attention of Gemma 4: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * rounded once, then through RoPE in halves; v through one without weight. D and Hkv differ by the kind of the layer, v may
 * be k before its norm, and the last layers may read the keys and values of an earlier one. From transformers'
 * `Gemma4TextAttention`.
 */
export class Gemma4Attention extends Attention {
  constructor(config: Gemma4Config, options: AttentionOptions) {
    assertMade(config, options, "perLayer", "ropes");
    const { layer = 0 } = options;
    const heads: LayerHeads | undefined = config.perLayer[layer];
    assertObject(heads, `the heads of layer ${shown(layer)}`);
    const { kind, headDim, kvHeads, keysOf } = heads;
    const norm = gemma4Norm(headDim, config.eps);
    const full = kind === "full_attention";
    const ownValues = full && config.keysAreValues ? "keys" : "projected";
    super(
      {
        ...config,
        headDim,
        kvHeads,
        bias: { qkv: config.attentionBias, out: config.attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        valueNorm: { ...norm, shape: null },
        values: keysOf === null ? ownValues : { ofLayer: keysOf },
        rope: config.ropes[kind],
        window: full ? null : config.window,
        scale: 1,
      },
      options,
    );
  }
}
