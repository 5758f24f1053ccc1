// The published shapes of the models that are measured: their config.json as far as it says what is computed.

const qwen3 = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  attention_bias: false,
  head_dim: 128,
  hidden_act: "silu",
  initializer_range: 0.02,
  max_position_embeddings: 40_960,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1_000_000,
  sliding_window: null,
  use_sliding_window: false,
  vocab_size: 151_936,
  torch_dtype: "bfloat16",
} as const;

/** config.json of a model, by the name that results have. */
export const shapes = {
  "qwen3-0.6b": {
    ...qwen3,
    hidden_size: 1024,
    intermediate_size: 3072,
    max_window_layers: 28,
    num_attention_heads: 16,
    num_hidden_layers: 28,
    tie_word_embeddings: true,
  },
  "qwen3-8b": {
    ...qwen3,
    hidden_size: 4096,
    intermediate_size: 12_288,
    max_window_layers: 36,
    num_attention_heads: 32,
    num_hidden_layers: 36,
    tie_word_embeddings: false,
  },
  "qwen3-30b-a3b": {
    ...qwen3,
    architectures: ["Qwen3MoeForCausalLM"],
    model_type: "qwen3_moe",
    ...{ hidden_size: 2048, intermediate_size: 6144, moe_intermediate_size: 768 },
    ...{ num_experts: 128, num_experts_per_tok: 8, norm_topk_prob: true, decoder_sparse_step: 1 },
    max_window_layers: 48,
    mlp_only_layers: [],
    num_attention_heads: 32,
    num_key_value_heads: 4,
    num_hidden_layers: 48,
    tie_word_embeddings: false,
  },
  /** For trying the programs where there is no GPU. */
  tiny: {
    ...qwen3,
    hidden_size: 64,
    intermediate_size: 192,
    head_dim: 32,
    max_window_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    num_hidden_layers: 3,
    tie_word_embeddings: true,
    vocab_size: 1024,
  },
} as const;

export type ModelName = keyof typeof shapes;

/** Whether a model has experts; what is no name of one has none. */
export function hasExperts(name: ModelName): boolean {
  return name in shapes && "num_experts" in shapes[name];
}

/** Bytes of bf16 weights that one decode step reads: of one of its layers, and of the head. */
export function weightBytes(name: ModelName): {
  readonly layer: number;
  readonly layers: number;
  readonly head: number;
} {
  const s = shapes[name];
  const [q, kv] = [s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim];
  const attention = s.hidden_size * (2 * q + 2 * kv);
  const mlp =
    "num_experts" in s
      ? s.hidden_size * (s.num_experts + 3 * s.num_experts_per_tok * s.moe_intermediate_size)
      : 3 * s.hidden_size * s.intermediate_size;
  return {
    layer: 2 * (attention + mlp),
    layers: s.num_hidden_layers,
    head: 2 * s.hidden_size * s.vocab_size,
  };
}
