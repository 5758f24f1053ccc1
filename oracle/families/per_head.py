"""An RMS norm per head, its weight as it is, before RoPE: dense models and the one with convolutions."""

from .family import Family, Variant, flat_rope, llama3, rope, sizes

APERTUS = Family(
    "apertus",
    "apertus",
    variants=(
        Variant(
            "published",
            sizes(rope_parameters=llama3(12000000.0), rms_norm_eps=1e-5),
            older=flat_rope(
                12000000.0,
                {
                    "factor": 8.0,
                    "high_freq_factor": 4.0,
                    "low_freq_factor": 1.0,
                    "original_max_position_embeddings": 32,
                    "rope_type": "llama3",
                },
                mlp_bias=False,
                post_norm=False,
                qk_norm=True,
            ),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                num_key_value_heads=1,
                rope_parameters=rope(10000.0),
                rms_norm_eps=1e-6,
                attention_bias=True,
                tie_word_embeddings=True,
                hidden_act="relu2",
            ),
        ),
    ),
)

EXAONE4 = Family(
    "exaone4",
    "exaone4",
    variants=(
        Variant(
            "hybrid",
            sizes(
                head_dim=16,
                num_hidden_layers=4,
                intermediate_size=24,
                rope_parameters=llama3(1000000.0, factor=16.0),
                rms_norm_eps=1e-5,
                sliding_window=5,
                sliding_window_pattern="LLLG",
                layer_types=["sliding_attention"] * 3 + ["full_attention"],
            ),
            older=flat_rope(
                1000000.0,
                {
                    "factor": 16.0,
                    "high_freq_factor": 4.0,
                    "low_freq_factor": 1.0,
                    "original_max_position_embeddings": 32,
                    "rope_type": "llama3",
                },
            ),
        ),
        Variant(
            "counted",
            sizes(
                rope_parameters=rope(10000.0),
                sliding_window=6,
                sliding_window_pattern=2,
            ),
            older=flat_rope(10000.0, layer_types=None),
        ),
        Variant(
            "full",
            sizes(
                num_hidden_layers=2,
                num_key_value_heads=4,
                rope_parameters=rope(1000000.0),
                sliding_window=None,
                sliding_window_pattern=None,
                layer_types=["full_attention"] * 2,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

LFM2 = Family(
    "lfm2",
    "lfm2",
    aliases={
        "block_ff_dim": "the field intermediate_size",
        "tie_embedding": "the field tie_word_embeddings",
    },
    variants=(
        Variant(
            "published",
            sizes(
                num_hidden_layers=4,
                intermediate_size=64,
                rope_parameters=rope(1000000.0),
                norm_eps=1e-5,
                conv_bias=False,
                conv_L_cache=3,
                block_auto_adjust_ff_dim=True,
                block_ffn_dim_multiplier=1.0,
                block_multiple_of=16,
                full_attn_idxs=[1, 3],
                tie_word_embeddings=True,
            ),
            older=flat_rope(
                1000000.0,
                intermediate_size=None,
                block_ff_dim=64,
                layer_types=None,
                tie_word_embeddings=None,
                tie_embedding=True,
            ),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=3,
                num_key_value_heads=1,
                rope_parameters=rope(10000.0),
                norm_eps=1e-6,
                conv_bias=True,
                conv_L_cache=4,
                block_auto_adjust_ff_dim=False,
                layer_types=["full_attention", "conv", "conv"],
                tie_word_embeddings=False,
            ),
        ),
    ),
)

FAMILIES = (APERTUS, EXAONE4, LFM2)
