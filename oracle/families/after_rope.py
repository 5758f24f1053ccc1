"""The norm after RoPE: Hunyuan v1 with a weight, Llama 4 and nanochat without."""

from .family import Family, Variant, flat_rope, llama3, rope, sizes

NTK_ALPHA = {
    "alpha": 1000.0,
    "beta_fast": 32,
    "beta_slow": 1,
    "factor": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
}

HUNYUAN_DENSE = Family(
    "hunyuan-v1-dense",
    "hunyuan_v1_dense",
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                rope_parameters=rope(10000.0, rope_type="dynamic", **NTK_ALPHA),
                rms_norm_eps=1e-5,
                tie_word_embeddings=True,
            ),
            older=flat_rope(10000.0, {**NTK_ALPHA, "type": "dynamic"}, use_qk_norm=True),
        ),
        Variant(
            "biased",
            sizes(num_hidden_layers=2, head_dim=8, rope_parameters=rope(500000.0), attention_bias=True),
        ),
    ),
)

HUNYUAN_MOE = Family(
    "hunyuan-v1-moe",
    "hunyuan_v1_moe",
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                num_hidden_layers=2,
                intermediate_size=16,
                rope_parameters=rope(10000.0, rope_type="dynamic", **NTK_ALPHA),
                rms_norm_eps=1e-5,
                num_experts=8,
                moe_topk=[3, 2],
                tie_word_embeddings=True,
            ),
            older=flat_rope(10000.0, {**NTK_ALPHA, "type": "dynamic"}, use_qk_norm=True),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                intermediate_size=16,
                rope_parameters=rope(500000.0),
                attention_bias=True,
                num_experts=4,
                moe_topk=1,
            ),
            stacked=True,
        ),
    ),
)

LLAMA4 = Family(
    "llama4",
    "llama4_text",
    variants=(
        Variant(
            "chunked",
            sizes(
                head_dim=16,
                num_hidden_layers=4,
                intermediate_size=16,
                intermediate_size_mlp=32,
                rope_parameters=llama3(500000.0),
                rms_norm_eps=1e-5,
                num_local_experts=4,
                num_experts_per_tok=1,
                interleave_moe_layer_step=2,
                no_rope_layer_interval=3,
                attention_chunk_size=6,
                floor_scale=4,
                attn_scale=0.1,
                attn_temperature_tuning=True,
                use_qk_norm=True,
            ),
            older=flat_rope(
                500000.0,
                {
                    "factor": 8.0,
                    "high_freq_factor": 4.0,
                    "low_freq_factor": 1.0,
                    "original_max_position_embeddings": 32,
                    "rope_type": "llama3",
                },
                layer_types=None,
            ),
        ),
        Variant(
            "plain",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                intermediate_size=16,
                intermediate_size_mlp=24,
                rope_parameters=rope(10000.0),
                num_local_experts=4,
                num_experts_per_tok=2,
                moe_layers=[0],
                no_rope_layers=[1, 0],
                attention_chunk_size=None,
                attn_temperature_tuning=False,
                use_qk_norm=False,
                attention_bias=True,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

NANOCHAT = Family(
    "nanochat",
    "nanochat",
    variants=(
        Variant(
            "published",
            sizes(rope_parameters=rope(10000.0), num_key_value_heads=4, rms_norm_eps=1e-6),
        ),
        Variant(
            "plain",
            sizes(
                num_hidden_layers=2,
                rope_parameters=rope(100000.0),
                rms_norm_eps=1e-5,
                final_logit_softcapping=None,
                hidden_act="silu",
                attention_bias=True,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

FAMILIES = (HUNYUAN_DENSE, HUNYUAN_MOE, LLAMA4, NANOCHAT)
