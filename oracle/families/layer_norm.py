"""A LayerNorm on q and k, behind a flag."""

from .family import Family, Variant, flat_rope, rope, sizes

COHERE = Family(
    "cohere",
    "cohere",
    variants=(
        Variant(
            "normed",
            sizes(
                rope_parameters=rope(75000000.0),
                layer_norm_eps=1e-5,
                use_qk_norm=True,
                logit_scale=0.8333,
            ),
            older=flat_rope(75000000.0),
        ),
        Variant(
            "plain",
            sizes(
                num_hidden_layers=2,
                rope_parameters=rope(10000.0),
                use_qk_norm=False,
                attention_bias=True,
                logit_scale=0.5,
                tie_word_embeddings=False,
            ),
        ),
    ),
)

STABLELM = Family(
    "stablelm",
    "stablelm",
    aliases={"partial_rotary_factor": "in rope_parameters; 0.25 if absent"},
    variants=(
        Variant(
            "parallel",
            sizes(
                hidden_size=64,
                num_hidden_layers=2,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.25),
                qk_layernorm=True,
                use_parallel_residual=True,
                use_qkv_bias=False,
            ),
            older=flat_rope(10000.0, partial_rotary_factor=0.25),
        ),
        Variant(
            "serial",
            sizes(
                num_hidden_layers=2,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.5),
                qk_layernorm=True,
                use_parallel_residual=False,
                use_qkv_bias=True,
            ),
        ),
        Variant(
            "plain",
            sizes(
                num_hidden_layers=2,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.25),
                qk_layernorm=False,
                use_qkv_bias=True,
                tie_word_embeddings=True,
            ),
        ),
    ),
)


def without_groups(**changes):
    """Persimmon has a key and a value for every query head, and no key for their number."""
    config = sizes(**changes)
    del config["num_key_value_heads"]
    return config


PERSIMMON = Family(
    "persimmon",
    "persimmon",
    aliases={"partial_rotary_factor": "in rope_parameters; 0.5 if absent"},
    variants=(
        Variant(
            "published",
            without_groups(
                rope_parameters=rope(25000.0, partial_rotary_factor=0.5),
                qk_layernorm=True,
            ),
            older=flat_rope(25000.0, partial_rotary_factor=0.5),
        ),
        Variant(
            "plain",
            without_groups(
                num_hidden_layers=2,
                rope_parameters=rope(10000.0, partial_rotary_factor=1.0),
                qk_layernorm=False,
                hidden_act="gelu",
                tie_word_embeddings=True,
            ),
        ),
    ),
)

PHI = Family(
    "phi",
    "phi",
    aliases={"partial_rotary_factor": "in rope_parameters; 0.5 if absent"},
    variants=(
        Variant(
            "normed",
            sizes(rope_parameters=rope(10000.0, partial_rotary_factor=0.5), qk_layernorm=True),
        ),
        Variant(
            "published",
            sizes(
                num_hidden_layers=2,
                num_key_value_heads=4,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.5),
                qk_layernorm=False,
            ),
            older=flat_rope(10000.0, partial_rotary_factor=0.5),
        ),
    ),
)

FAMILIES = (COHERE, STABLELM, PERSIMMON, PHI)
