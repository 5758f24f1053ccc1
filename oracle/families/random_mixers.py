"""Values of the keys of layers that mix tokens by something else than attention, or by attention of a second kind."""


def mixers_of(draw, family, drawn):
    """A value for each key of `family` that speaks of the kinds of its layers; those that it has not are left out."""
    layers, heads = drawn["num_hidden_layers"], drawn["num_attention_heads"]
    key_heads = draw.choice([1, 2, 3])
    experts = draw.choice([2, 4, 5])
    values = {
        "layer_types": lambda: draw.choice([None, kinds_of(draw, family, layers)]),
        "linear_conv_kernel_dim": lambda: draw.choice([1, 2, 3, 4, 6]),
        "linear_key_head_dim": lambda: draw.choice([4, 8, 12, 24]),
        "linear_value_head_dim": lambda: draw.choice([4, 8, 20]),
        "linear_num_key_heads": lambda: key_heads,
        "linear_num_value_heads": lambda: key_heads * draw.choice([1, 2, 3]),
        "conv_L_cache": lambda: draw.choice([1, 2, 3, 5]),
        "block_multiple_of": lambda: draw.choice([1, 8, 256]),
        "block_ffn_dim_multiplier": lambda: draw.choice([None, 1.0, 1.5]),
        "full_attn_idxs": lambda: draw.choice([None, sorted(draw.sample(range(layers), draw.randint(1, layers)))]),
        "attention_k_eq_v": lambda: draw.choice([True, False]),
        "num_kv_shared_layers": lambda: draw.choice([0, 0, draw.randrange(layers)]),
        "hidden_size_per_layer_input": lambda: draw.choice([0, 6, 16]),
        "vocab_size_per_layer_input": lambda: 61,
        "top_k_experts": lambda: draw.randint(1, experts),
    }
    fields = family_fields(family)
    result = {name: values[name]() for name in fields if name in values}
    if "top_k_experts" in fields:
        result |= {"num_experts": experts, "moe_intermediate_size": draw.choice([8, 12])}
    if "attention_k_eq_v" in fields:
        result["global_head_dim"] = draw.choice([4, 8, 20])
        result["num_global_key_value_heads"] = draw.choice([n for n in range(1, heads + 1) if heads % n == 0])
    return result


def kinds_of(draw, family, layers):
    """A kind for each layer, of those that the family's variants have."""
    kinds = {kind for variant in family.variants for kind in variant.config.get("layer_types") or ()}
    return [draw.choice(sorted(kinds or {"full_attention", "sliding_attention"})) for _ in range(layers)]


def family_fields(family):
    """The fields of the family's config class that are its own."""
    from transformers import PreTrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cls = CONFIG_MAPPING[family.model_type]
    inherited = set(PreTrainedConfig.__dataclass_fields__)
    return {name: field for name, field in cls.__dataclass_fields__.items() if name not in inherited}
