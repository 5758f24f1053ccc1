"""Gemma 4's text model: RMS norms with their weight as it is, one without a weight on v, two head dims."""

from .family import Family, Variant, rope, sizes

GEMMA4 = Family(
    "gemma4",
    "gemma4_text",
    aliases={
        "global_head_dim": "head_dim of full_attention layers; 512 if absent",
        "num_global_key_value_heads": "num_key_value_heads of full_attention layers, with attention_k_eq_v",
    },
    variants=(
        Variant(
            "experts",
            sizes(
                head_dim=8,
                global_head_dim=16,
                num_global_key_value_heads=1,
                intermediate_size=24,
                rms_norm_eps=1e-6,
                rope_parameters={
                    "full_attention": rope(1000000.0, rope_type="proportional", partial_rotary_factor=0.25),
                    "sliding_attention": rope(10000.0),
                },
                sliding_window=5,
                layer_types=["sliding_attention", "sliding_attention", "full_attention"],
                hidden_size_per_layer_input=0,
                attention_k_eq_v=True,
                enable_moe_block=True,
                num_experts=4,
                top_k_experts=2,
                moe_intermediate_size=8,
                final_logit_softcapping=5.0,
                tie_word_embeddings=True,
            ),
            older={"per_layer_config": None, "global_head_dim": 16, "num_global_key_value_heads": 1},
        ),
        Variant(
            "per-layer-inputs",
            sizes(
                head_dim=8,
                global_head_dim=16,
                num_hidden_layers=5,
                num_key_value_heads=1,
                intermediate_size=16,
                rope_parameters={
                    "full_attention": rope(100000.0, rope_type="proportional", partial_rotary_factor=0.5),
                    "sliding_attention": rope(1000.0),
                },
                sliding_window=6,
                layer_types=[
                    "sliding_attention",
                    "full_attention",
                    "sliding_attention",
                    "sliding_attention",
                    "full_attention",
                ],
                vocab_size_per_layer_input=48,
                hidden_size_per_layer_input=8,
                num_kv_shared_layers=2,
                use_double_wide_mlp=True,
                attention_bias=True,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

FAMILIES = (GEMMA4,)
