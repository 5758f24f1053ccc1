"""RMS norms that multiply by one plus their weight, per head, before RoPE."""

from .family import Family, Variant, flat_rope, rope, sizes

GEMMA3 = Family(
    "gemma3",
    "gemma3_text",
    weight_offset=1,
    aliases={
        "rope_theta": "of full_attention layers; 1e6 if absent",
        "rope_local_base_freq": "rope_theta of sliding_attention layers; 1e4 if absent",
        "rope_scaling": "of full_attention layers alone",
        "sliding_window_pattern": "every so many layers one is full_attention; 6 if absent",
    },
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                num_hidden_layers=4,
                num_key_value_heads=1,
                rope_parameters={
                    "full_attention": rope(1000000.0, rope_type="linear", factor=8.0),
                    "sliding_attention": rope(10000.0),
                },
                rms_norm_eps=1e-6,
                query_pre_attn_scalar=24,
                sliding_window=5,
                layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            ),
            older=flat_rope(
                1000000.0,
                {"factor": 8.0, "rope_type": "linear"},
                rope_local_base_freq=10000.0,
                sliding_window_pattern=3,
                layer_types=None,
            ),
        ),
        Variant(
            "capped",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters={
                    "full_attention": rope(10000.0),
                    "sliding_attention": rope(1000.0),
                },
                query_pre_attn_scalar=8,
                sliding_window=6,
                layer_types=["full_attention", "sliding_attention"],
                attention_bias=True,
                final_logit_softcapping=3.0,
                tie_word_embeddings=False,
            ),
        ),
    ),
)

DELTA_NET = {
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}

QWEN3_NEXT = Family(
    "qwen3-next",
    "qwen3_next",
    weight_offset=1,
    query_gate=True,
    aliases={
        "full_attention_interval": "every so many layers one is full_attention; 4 if absent",
        "partial_rotary_factor": "in rope_parameters; 0.25 if absent",
    },
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                num_hidden_layers=3,
                rope_parameters=rope(10000000.0, partial_rotary_factor=0.25),
                rms_norm_eps=1e-6,
                **DELTA_NET,
                layer_types=["linear_attention", "full_attention", "linear_attention"],
                num_experts=4,
                num_experts_per_tok=2,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=8,
                norm_topk_prob=True,
            ),
            older=flat_rope(
                10000000.0,
                partial_rotary_factor=0.25,
                layer_types=None,
                full_attention_interval=2,
            ),
            extra={"mtp.norm.weight": [32], "mtp.fc.weight": [32, 64]},
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.5),
                attention_bias=True,
                **{
                    **DELTA_NET,
                    "linear_conv_kernel_dim": 3,
                    "linear_value_head_dim": 16,
                    "linear_num_value_heads": 2,
                },
                layer_types=["full_attention", "linear_attention"],
                num_experts=4,
                num_experts_per_tok=2,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=16,
                norm_topk_prob=False,
                mlp_only_layers=[0],
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

MROPE = {"partial_rotary_factor": 0.25, "mrope_section": [1, 1, 0], "mrope_interleaved": True}
QWEN3_5_ALIASES = {
    "full_attention_interval": "every so many layers one is full_attention; 4 if absent",
    "partial_rotary_factor": "in rope_parameters; 0.25 if absent",
}

QWEN3_5 = Family(
    "qwen3-5",
    "qwen3_5_text",
    weight_offset=1,
    query_gate=True,
    aliases=QWEN3_5_ALIASES,
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                rope_parameters=rope(10000000.0, **MROPE),
                rms_norm_eps=1e-6,
                **DELTA_NET,
                layer_types=["linear_attention", "full_attention", "linear_attention"],
            ),
            extra={"mtp.norm.weight": [32]},
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.5),
                attention_bias=True,
                **{**DELTA_NET, "linear_num_key_heads": 4, "linear_conv_kernel_dim": 2},
                layer_types=["full_attention", "linear_attention"],
                tie_word_embeddings=True,
            ),
        ),
    ),
)

QWEN3_5_MOE = Family(
    "qwen3-5-moe",
    "qwen3_5_moe_text",
    weight_offset=1,
    query_gate=True,
    aliases=QWEN3_5_ALIASES,
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                num_hidden_layers=2,
                rope_parameters=rope(10000000.0, **MROPE),
                rms_norm_eps=1e-6,
                **DELTA_NET,
                layer_types=["linear_attention", "full_attention"],
                num_experts=8,
                num_experts_per_tok=3,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=8,
            ),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=rope(10000.0, partial_rotary_factor=1.0),
                attention_bias=True,
                **{**DELTA_NET, "linear_key_head_dim": 16, "linear_num_value_heads": 2},
                layer_types=["full_attention", "linear_attention"],
                num_experts=4,
                num_experts_per_tok=1,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=16,
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

FAMILIES = (GEMMA3, QWEN3_NEXT, QWEN3_5, QWEN3_5_MOE)
