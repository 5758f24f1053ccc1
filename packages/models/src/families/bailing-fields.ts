import type { ConfigFields } from "../checkpoint/config-fields.ts";
import { type DecoderDefaults, type DecoderFields, readDecoderFields } from "../checkpoint/decoder-fields.ts";
import {
  type ExpertFields,
  readExperts,
  readSigmoidRouter,
  readSparseFrom,
  type SigmoidDefaults,
} from "../checkpoint/expert-fields.ts";
import { contextLength, readRopeParameters, readRotaryDim } from "../checkpoint/rope-parameters.ts";
import { stackedExperts } from "../checkpoint/stacked-experts.ts";
import type { Warn } from "../checkpoint/warnings.ts";
import { renamed, withoutLayers } from "../checkpoint/weight-names.ts";
import type { Weights } from "../checkpoint/weights.ts";
import type { RopeSpec } from "../layers/rotary-embedding.ts";
import type { DenseFields } from "./family.ts";
import { sparseShapes } from "./sparse-decoder.ts";

export interface BailingFields extends DenseFields, ExpertFields {
  readonly useQkNorm: boolean;
  /** Of q, k and v; and of the output. */
  readonly qkvBias: boolean;
  readonly outBias: boolean;
  /** Layers behind the last one, for the prediction of several tokens, which are not read. */
  readonly predictingLayers: number;
}

/** What the two families of these checkpoints take where a config says nothing. */
export interface BailingDefaults extends DecoderDefaults {
  readonly rope: { readonly theta: number; readonly share: number };
  readonly router: Omit<SigmoidDefaults, "normalized">;
  readonly firstSparse: number;
  readonly outBias: boolean;
}

/** Keys of both. */
export const BAILING_KEYS = {
  harmless: {
    "matters in training alone": ["embedding_dropout", "output_dropout", "mtp_loss_scaling_factor"],
    "says nothing: no layer has a window": ["max_window_layers", "sliding_window"],
  },
  refused: {
    use_sliding_window: { asks: "a sliding window", off: false },
    norm_topk_prob: { asks: "weights that are not normalised", off: true },
    norm_head: { asks: "a head whose rows are normalised", off: false },
    score_function: { asks: "another score than the sigmoid", off: "sigmoid" },
    router_dtype: { asks: "a router that is not in f32", off: "fp32" },
    moe_router_enable_expert_bias: { asks: "experts chosen without a bias", off: true },
    use_rmsnorm: { asks: "another norm", off: true },
  },
};

/** The fields of both. @throws ERR_CHECKPOINT that names the field */
export function readBailingFields(
  fields: ConfigFields,
  { rope: absent, router, firstSparse, outBias, ...defaults }: BailingDefaults,
  warn: Warn,
): BailingFields {
  const common = readDecoderFields(fields, defaults, warn);
  const rope = readRotation(fields, common, absent);
  const moe = readExperts(fields, common, { experts: ["num_experts"], shared: "num_shared_experts" });
  const sigmoids = readSigmoidRouter(fields, moe.experts, { ...router, normalized: true });
  return {
    ...common,
    rope,
    maxPositions: rope.maxPositions,
    useQkNorm: fields.boolean("use_qk_norm", true),
    qkvBias: fields.boolean("use_qkv_bias", false),
    outBias: fields.boolean("use_bias", outBias),
    sparse: readSparseFrom(fields, common.layers, firstSparse),
    // One expert alone weighs what its sigmoid says.
    moe: { ...moe, router: sigmoids.topK > 1 ? sigmoids : { ...sigmoids, normalize: null } },
    predictingLayers: fields.nonNegativeInteger("num_nextn_predict_layers", 0),
  };
}

/** `rotary_dim` values of a head are rotated, or else a share of them. */
function readRotation(
  fields: ConfigFields,
  { headDim, trainedPositions }: DecoderFields,
  { theta: defaultTheta, share: defaultShare }: BailingDefaults["rope"],
): RopeSpec {
  const written = fields.has("rotary_dim");
  if (written) fields.value("partial_rotary_factor");
  const rotaryDim = written
    ? fields.positiveInteger("rotary_dim")
    : readRotaryDim(fields, headDim, defaultShare);
  if (rotaryDim > headDim || rotaryDim % 2 !== 0)
    fields.fail("rotary_dim", `is ${rotaryDim}; it must be an even number up to the head dim ${headDim}`);
  const setting = { rotaryDim, maxPositions: trainedPositions, defaultTheta, defaultShare };
  const parameters = readRopeParameters(fields, setting);
  return Object.freeze({ parameters, rotaryDim, maxPositions: contextLength(parameters, trainedPositions) });
}

/** What tells the sizes of these checkpoints, and their tensors as the model has them. */
export const bailingWeights = {
  shapes: (config: BailingFields) => (layer: number) => {
    const { queryHeads, kvHeads, headDim, hiddenSize } = config;
    const ofLayer = Object.entries(sparseShapes(config)(layer)).filter(([name]) => name.startsWith("mlp."));
    return {
      "attention.query_key_value.weight": [(queryHeads + 2 * kvHeads) * headDim, hiddenSize],
      ...Object.fromEntries(ofLayer),
    };
  },
  adapt: (weights: Weights, { layers, predictingLayers }: BailingFields): Weights =>
    stackedExperts(
      renamed(withoutLayers(weights, layers, predictingLayers), [
        [/^model\.word_embeddings\./, "model.embed_tokens."],
        [/\.mlp\.gate\.expert_bias$/, ".mlp.gate.e_score_correction_bias"],
      ]),
    ),
};
