import {
  type AttentionKind,
  fullEvery,
  readLayerKinds,
  readWindow,
} from "../../checkpoint/attention-windows.ts";
import { ConfigFields } from "../../checkpoint/config-fields.ts";
import { type DecoderFields, readDecoderFields } from "../../checkpoint/decoder-fields.ts";
import type { RopeSpec } from "../../layers/rotary-embedding.ts";
import { configParser, maxPositionsOf, readRope } from "../family.ts";

/** What differs between the layers of one model. */
export interface Gemma4LayerConfig {
  readonly kind: AttentionKind;
  readonly headDim: number;
  readonly kvHeads: number;
  /** The layer whose keys and values it reads; null where it has its own. */
  readonly keysOf: number | null;
}

/** E experts beside each MLP, of which a token goes to K. */
export interface Gemma4Experts {
  readonly count: number;
  readonly topK: number;
  /** I of each. */
  readonly intermediateSize: number;
}

export interface Gemma4Config extends DecoderFields {
  readonly perLayer: readonly Gemma4LayerConfig[];
  /** By the kind of a layer. */
  readonly ropes: Readonly<Record<AttentionKind, RopeSpec>>;
  readonly window: number | null;
  readonly maxPositions: number;
  readonly attentionBias: boolean;
  /** Full layers have no v_proj. */
  readonly keysAreValues: boolean;
  /** Layers without keys of their own have an MLP of twice the width. */
  readonly doubleWide: boolean;
  readonly logitSoftCap: number | null;
  readonly experts: Gemma4Experts | null;
  /** P, and the tokens of its embedding; null without. */
  readonly layerInputs: { readonly width: number; readonly vocabSize: number } | null;
}

const ROPES = {
  full_attention: { rope_type: "proportional", partial_rotary_factor: 0.25, rope_theta: 1e6 },
  sliding_attention: { rope_type: "default", rope_theta: 1e4 },
};

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseGemma4Config = configParser(
  "gemma4_text",
  {
    harmless: { "is read with enable_moe_block": ["num_experts", "top_k_experts", "moe_intermediate_size"] },
    refused: { use_bidirectional_attention: { asks: "attention to later tokens" } },
  },
  (fields, warn): Gemma4Config => {
    const defaults = { eps: 1e-6, maxPositions: 131_072, kvHeads: 4, headDim: 256, tied: true };
    const activation = { activation: "gelu_pytorch_tanh", activationKey: "hidden_activation" };
    const common = readDecoderFields(fields, { ...defaults, ...activation }, warn);
    const kinds = [...readLayerKinds(fields, common.layers, fullEvery(6))];
    if (kinds[common.layers - 1] !== "full_attention")
      warn("config.json: the last of layer_types is made full_attention, as transformers makes it");
    kinds[common.layers - 1] = "full_attention";
    const keysAreValues = fields.boolean("attention_k_eq_v", false);
    const perLayer = readPerLayer(fields, { ...common, kinds, keysAreValues });
    const ropeOf = (layerType: AttentionKind): RopeSpec => {
      const headDim = perLayer.find(({ kind }) => kind === layerType)?.headDim ?? common.headDim;
      const setting = { layerType, absent: ROPES[layerType], older: "ignored" } as const;
      return readRope(fields, { ...common, headDim }, setting);
    };
    const ropes = {
      full_attention: ropeOf("full_attention"),
      sliding_attention: ropeOf("sliding_attention"),
    };
    const width = fields.nonNegativeInteger("hidden_size_per_layer_input", 256);
    const vocabSize = fields.positiveInteger("vocab_size_per_layer_input", 262_144);
    // Of text alone it asks for nothing.
    if (fields.raw.use_bidirectional_attention === "vision") fields.value("use_bidirectional_attention");
    const capped = fields.has("final_logit_softcapping");
    return {
      ...common,
      perLayer,
      ropes,
      window: readWindow(fields, kinds, 512),
      maxPositions: maxPositionsOf(common, ropes.full_attention),
      attentionBias: fields.boolean("attention_bias", false),
      keysAreValues,
      doubleWide: fields.boolean("use_double_wide_mlp", false),
      logitSoftCap: capped ? fields.positiveNumber("final_logit_softcapping") : null,
      experts: readExperts(fields),
      layerInputs: width === 0 ? null : { width, vocabSize },
    };
  },
);

function readExperts(fields: ConfigFields): Gemma4Experts | null {
  if (!fields.boolean("enable_moe_block", false)) return null;
  const count = fields.positiveInteger("num_experts");
  const topK = fields.positiveInteger("top_k_experts");
  if (topK > count) fields.fail("top_k_experts", `is ${topK}, more than the ${count} experts`);
  return Object.freeze({ count, topK, intermediateSize: fields.positiveInteger("moe_intermediate_size") });
}

/** @throws ERR_CHECKPOINT for layers of a kind that differ in their head dim, and for keys that no layer has */
function readPerLayer(
  fields: ConfigFields,
  {
    layers,
    queryHeads,
    headDim,
    kvHeads,
    kinds,
    keysAreValues,
  }: DecoderFields & { kinds: readonly AttentionKind[]; keysAreValues: boolean },
): readonly Gemma4LayerConfig[] {
  const globalDim = fields.positiveInteger("global_head_dim", 512);
  const globalHeads = fields.positiveInteger("num_global_key_value_heads", kvHeads);
  const written = fields.object("per_layer_config");
  const nothing = new ConfigFields({}, fields.source);
  const shared = fields.nonNegativeInteger("num_kv_shared_layers", 0);
  const perLayer = kinds.map((kind, layer) => {
    const full = kind === "full_attention" && written === null;
    const own = written?.object(String(layer)) ?? nothing;
    const keysOf = layer < layers - shared ? null : kinds.lastIndexOf(kind, layers - shared - 1);
    const layerConfig = {
      kind,
      headDim: own.positiveInteger("head_dim", full ? globalDim : headDim),
      kvHeads: own.positiveInteger("num_key_value_heads", full && keysAreValues ? globalHeads : kvHeads),
      keysOf,
    };
    if (keysOf === -1 || layers === shared)
      fields.fail("num_kv_shared_layers", `is ${shared}, which leaves no layer of kind ${kind} with keys`);
    if (queryHeads % layerConfig.kvHeads !== 0)
      fields.fail(
        "num_attention_heads",
        `is ${queryHeads}, not a multiple of the ${layerConfig.kvHeads} KV heads of layer ${layer}`,
      );
    return Object.freeze(layerConfig);
  });
  for (const { kind, headDim } of perLayer) {
    if (perLayer.some((other) => other.kind === kind && other.headDim !== headDim))
      fields.fail(
        "per_layer_config",
        `has several head dims for layers of kind ${kind}, which is not supported`,
      );
  }
  return Object.freeze(perLayer);
}
