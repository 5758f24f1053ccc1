"""What a family's golden files are made from: its configurations, as data."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Variant:
    """One configuration of a family: a tiny checkpoint and its goldens.

    `config` holds the arguments of the config class. `older` holds what the config.json says as the
    checkpoints on the hub do that were published before transformers 5: keys to add or replace, and None to
    drop a key; the class must read it as the same configuration. `stacked` writes the experts as transformers
    5 holds them, `[E, 2I, C]` and `[E, C, I]`, instead of one tensor per expert and projection. `extra` names
    tensors, by shape, that published files have beside the decoder's own (multi-token prediction) and that
    are not read.
    """

    name: str
    config: dict
    older: dict | None = None
    stacked: bool = False
    extra: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """`aliases` are the keys of config.json that the class reads under another name, with what they stand
    for.

    `weight_offset` is what the family's norms add to their weight, so that random weights scale by about one.
    `query_gate` says that q_proj makes an output gate beside each head's query.
    """

    name: str
    model_type: str
    variants: tuple
    aliases: dict = field(default_factory=dict)
    weight_offset: int = 0
    query_gate: bool = False


SIZES = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.02,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}


def sizes(**changes):
    """The tiny sizes that families share, changed where a family has its own."""
    return {**SIZES, **changes}


def rope(theta=10000.0, **scaling):
    return {"rope_type": "default", "rope_theta": theta, **scaling}


def llama3(theta, factor=8.0, original=32):
    """Scaling whose three bands of wavelengths all occur within a head of 8 or 16 values."""
    return rope(
        theta,
        rope_type="llama3",
        factor=factor,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=original,
    )


def yarn(theta, factor=4.0, original=64, **changes):
    return rope(theta, rope_type="yarn", factor=factor, original_max_position_embeddings=original, **changes)


def flat_rope(theta, scaling=None, **keys):
    """`older` keys of a model with one RoPE: its theta at the top level and its scaling beside it."""
    return {"rope_parameters": None, "rope_theta": theta, "rope_scaling": scaling, **keys}
