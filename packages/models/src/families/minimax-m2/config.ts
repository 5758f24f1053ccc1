import { readDecoderFields } from "../../checkpoint/decoder-fields.ts";
import { type ExpertFields, readExperts, readTopK } from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readRope } from "../family.ts";

export interface MiniMaxM2Config extends DenseFields, ExpertFields {}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseMiniMaxM2Config = configParser(
  "minimax_m2",
  {
    harmless: {
      "matters in training alone": ["router_aux_loss_coef", "router_jitter_noise"],
      "is of MiniMax's other models": [
        "attn_type_list",
        "layernorm_full_attention_beta",
        "layernorm_linear_attention_beta",
        "layernorm_mlp_beta",
        "mlp_intermediate_size",
        "shared_moe_mode",
      ],
      "speaks of modules that predict several tokens, which are not read": [
        "mtp_transformer_layers",
        "num_mtp_modules",
        "use_mtp",
      ],
    },
    refused: {
      qk_norm_type: { asks: "another QK norm than across heads", off: "per_layer" },
      use_qk_norm: { asks: "attention without QK norm", off: true },
      scoring_func: { asks: "another score than the sigmoid", off: "sigmoid" },
      use_routing_bias: { asks: "experts chosen without a bias", off: true },
      shared_intermediate_size: { asks: "an expert that all tokens take", off: 0 },
      sliding_window: { asks: "a sliding window" },
    },
  },
  (fields, warn): MiniMaxM2Config => {
    const defaults = { eps: 1e-6, maxPositions: 196_608, kvHeads: 8, headDim: 128 };
    const common = readDecoderFields(fields, defaults, warn);
    const rotated = fields.positiveInteger("rotary_dim", common.headDim);
    const rope = readRope(fields, common, { defaultTheta: 5e6, defaultShare: rotated / common.headDim });
    const keys = { experts: ["num_local_experts", "num_experts"], width: "intermediate_size" };
    const moe = readExperts(fields, common, keys);
    return {
      ...common,
      rope,
      maxPositions: rope.maxPositions,
      sparse: Object.freeze(new Array<boolean>(common.layers).fill(true)),
      moe: {
        ...moe,
        router: {
          ...{ score: "sigmoid", topK: readTopK(fields, moe.experts), groups: null, normalize: { eps: 0 } },
          ...{ factor: 1, gate: "model", bias: "model", weights: "f32" },
        },
      },
    };
  },
);
