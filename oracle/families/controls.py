"""Models without a QK norm."""

from .family import Family, Variant, flat_rope, llama3, rope, sizes

LLAMA = Family(
    "llama",
    "llama",
    variants=(
        Variant(
            "scaled",
            sizes(rope_parameters=llama3(500000.0), rms_norm_eps=1e-5),
            older=flat_rope(
                500000.0,
                {
                    "factor": 8.0,
                    "high_freq_factor": 4.0,
                    "low_freq_factor": 1.0,
                    "original_max_position_embeddings": 32,
                    "rope_type": "llama3",
                },
            ),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=16,
                rope_parameters=rope(10000.0, rope_type="linear", factor=4.0),
                attention_bias=True,
                mlp_bias=True,
                hidden_act="gelu_pytorch_tanh",
                tie_word_embeddings=True,
            ),
        ),
    ),
)

MISTRAL = Family(
    "mistral",
    "mistral",
    variants=(
        Variant(
            "windowed",
            sizes(rope_parameters=rope(10000.0), rms_norm_eps=1e-5, sliding_window=5),
            older=flat_rope(10000.0),
        ),
        Variant(
            "full",
            sizes(
                num_hidden_layers=2,
                head_dim=16,
                rope_parameters=rope(1000000.0),
                sliding_window=None,
                tie_word_embeddings=True,
            ),
        ),
    ),
)

QWEN2 = Family(
    "qwen2",
    "qwen2",
    variants=(
        Variant(
            "windowed",
            sizes(
                rope_parameters=rope(1000000.0),
                rms_norm_eps=1e-6,
                use_sliding_window=True,
                sliding_window=5,
                max_window_layers=1,
            ),
            older=flat_rope(1000000.0, layer_types=None),
        ),
        Variant(
            "full",
            sizes(num_hidden_layers=2, rope_parameters=rope(10000.0), tie_word_embeddings=True),
        ),
    ),
)

SMOLLM3 = Family(
    "smollm3",
    "smollm3",
    variants=(
        Variant(
            "published",
            sizes(num_hidden_layers=4, rope_parameters=rope(5000000.0), rms_norm_eps=1e-6),
            older=flat_rope(5000000.0),
        ),
        Variant(
            "windowed",
            sizes(
                rope_parameters=rope(10000.0),
                no_rope_layers=[1, 0, 1],
                use_sliding_window=True,
                sliding_window=5,
                attention_bias=True,
                mlp_bias=True,
                tie_word_embeddings=False,
            ),
        ),
    ),
)

FAMILIES = (LLAMA, MISTRAL, QWEN2, SMOLLM3)
