"""One RMS norm across all heads of q, and one across those of k, before RoPE."""

from .family import Family, Variant, flat_rope, llama3, rope, sizes, yarn

OLMO2 = Family(
    "olmo2",
    "olmo2",
    variants=(
        Variant(
            "published",
            sizes(num_key_value_heads=4, rope_parameters=rope(500000.0), rms_norm_eps=1e-6),
            older=flat_rope(500000.0),
        ),
        Variant(
            "grouped",
            sizes(
                num_hidden_layers=2,
                rope_parameters=llama3(10000.0),
                rms_norm_eps=1e-5,
                attention_bias=True,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

OLMO3 = Family(
    "olmo3",
    "olmo3",
    aliases={
        "rope_theta": "of both kinds of layers",
        "rope_scaling": "of full_attention layers alone",
    },
    variants=(
        Variant(
            "published",
            sizes(
                num_hidden_layers=4,
                rope_parameters={
                    "full_attention": yarn(
                        500000.0, factor=8.0, attention_factor=1.2, beta_fast=32, beta_slow=1
                    ),
                    "sliding_attention": rope(500000.0),
                },
                rms_norm_eps=1e-6,
                sliding_window=5,
            ),
            older=flat_rope(
                500000.0,
                {
                    "attention_factor": 1.2,
                    "beta_fast": 32,
                    "beta_slow": 1,
                    "factor": 8.0,
                    "original_max_position_embeddings": 64,
                    "rope_type": "yarn",
                },
            ),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                num_key_value_heads=1,
                rope_parameters={
                    "full_attention": rope(10000.0),
                    "sliding_attention": rope(1000.0),
                },
                layer_types=["full_attention", "sliding_attention"],
                sliding_window=6,
                attention_bias=True,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

OLMOE = Family(
    "olmoe",
    "olmoe",
    variants=(
        Variant(
            "published",
            sizes(
                num_key_value_heads=4,
                num_hidden_layers=2,
                intermediate_size=16,
                rope_parameters=rope(10000.0),
                rms_norm_eps=1e-5,
                num_experts=8,
                num_experts_per_tok=3,
                norm_topk_prob=False,
            ),
            older=flat_rope(10000.0),
        ),
        Variant(
            "clipped",
            sizes(
                num_hidden_layers=2,
                intermediate_size=16,
                rope_parameters=rope(500000.0),
                clip_qkv=0.8,
                attention_bias=True,
                num_experts=4,
                num_experts_per_tok=2,
                norm_topk_prob=True,
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

FLEX_OLMO = Family(
    "flex-olmo",
    "flex_olmo",
    variants=(
        Variant(
            "published",
            sizes(
                num_key_value_heads=4,
                num_hidden_layers=2,
                intermediate_size=16,
                rope_parameters=rope(500000.0),
                rms_norm_eps=1e-6,
                num_experts=7,
                num_experts_per_tok=5,
                norm_topk_prob=False,
            ),
            older=flat_rope(500000.0),
        ),
        Variant(
            "normalised",
            sizes(
                num_hidden_layers=2,
                intermediate_size=16,
                rope_parameters=llama3(10000.0),
                rms_norm_eps=1e-5,
                attention_bias=True,
                num_experts=4,
                num_experts_per_tok=2,
                norm_topk_prob=True,
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

MINIMAX_M2 = Family(
    "minimax-m2",
    "minimax_m2",
    aliases={"rotary_dim": "partial_rotary_factor times head_dim"},
    variants=(
        Variant(
            "published",
            sizes(
                num_hidden_layers=2,
                intermediate_size=8,
                head_dim=16,
                rope_parameters=rope(5000000.0, partial_rotary_factor=0.5),
                rms_norm_eps=1e-6,
                num_local_experts=8,
                num_experts_per_tok=3,
            ),
            older=flat_rope(
                5000000.0,
                rotary_dim=8,
                qk_norm_type="per_layer",
                scoring_func="sigmoid",
                use_qk_norm=True,
                use_routing_bias=True,
            ),
        ),
        Variant(
            "rotated-whole",
            sizes(
                num_hidden_layers=2,
                intermediate_size=16,
                head_dim=8,
                num_key_value_heads=1,
                rope_parameters=rope(10000.0),
                rms_norm_eps=1e-5,
                num_local_experts=4,
                num_experts_per_tok=2,
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

FAMILIES = (OLMO2, OLMO3, OLMOE, FLEX_OLMO, MINIMAX_M2)
