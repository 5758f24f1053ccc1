import { readKinds } from "../../checkpoint/attention-windows.ts";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import type { DecoderDefaults } from "../../checkpoint/decoder-fields.ts";
import type { KnownKeys } from "../../checkpoint/known-keys.ts";
import type { Warn } from "../../checkpoint/warnings.ts";
import type { GatedDeltaNetSpec } from "../../layers/gated-delta-net.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export type Qwen3HybridKind = "full_attention" | "linear_attention";

/** What the models of Qwen say whose layers are three parts linear attention. */
export interface Qwen3HybridConfig extends DenseFields {
  readonly kinds: readonly Qwen3HybridKind[];
  readonly attentionBias: boolean;
  /** Of the layers with linear attention. */
  readonly delta: GatedDeltaNetSpec;
}

const KINDS = {
  full_attention: "full_attention",
  attention: "full_attention",
  linear_attention: "linear_attention",
  mamba: "linear_attention",
} as const;

/** @throws ERR_CHECKPOINT that names the field */
export function readHybridFields(
  fields: ConfigFields,
  defaults: Pick<DecoderDefaults, "kvHeads" | "intermediateSize">,
  warn: Warn,
): Qwen3HybridConfig {
  const rope = { defaultShare: 0.25 };
  const common = readDenseFields(
    fields,
    { eps: 1e-6, maxPositions: 32_768, headDim: 256, rope, ...defaults },
    warn,
  );
  const interval = fields.positiveInteger("full_attention_interval", 4);
  return {
    ...common,
    kinds: readKinds<Qwen3HybridKind>(fields, common.layers, KINDS, (layer) =>
      (layer + 1) % interval === 0 ? "full_attention" : "linear_attention",
    ),
    attentionBias: fields.boolean("attention_bias", false),
    delta: readDelta(fields, common),
  };
}

function readDelta(fields: ConfigFields, { hiddenSize, activation, eps }: DenseFields): GatedDeltaNetSpec {
  const keyHeads = fields.positiveInteger("linear_num_key_heads", 16);
  const valueHeads = fields.positiveInteger("linear_num_value_heads", 32);
  if (valueHeads % keyHeads !== 0) {
    fields.fail("linear_num_value_heads", `is ${valueHeads}, not a multiple of ${keyHeads} key heads`);
  }
  return Object.freeze({
    hiddenSize,
    activation,
    eps,
    keyHeads,
    valueHeads,
    keyDim: fields.positiveInteger("linear_key_head_dim", 128),
    valueDim: fields.positiveInteger("linear_value_head_dim", 128),
    taps: fields.positiveInteger("linear_conv_kernel_dim", 4),
  });
}

/** What these models have beside what is read. */
export const HYBRID_KEYS: KnownKeys = {
  harmless: {
    "says nothing in text, whose three positions are one": [
      "rope_parameters.mrope_section",
      "rope_parameters.mrope_interleaved",
      "rope_scaling.mrope_section",
      "rope_scaling.mrope_interleaved",
    ],
    "is of the layers that predict several tokens at once, which are not read": [
      "mtp_num_hidden_layers",
      "mtp_use_dedicated_embeddings",
    ],
    "names what is done: states are f32": ["mamba_ssm_dtype"],
    "matters in training alone": ["router_aux_loss_coef"],
  },
  refused: { attn_output_gate: { asks: "attention without its gate", off: true } },
};

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseQwen35Config = configParser(
  "qwen3_5_text",
  HYBRID_KEYS,
  (fields, warn): Qwen3HybridConfig => readHybridFields(fields, { kvHeads: 4 }, warn),
);
