"""Records what the attention of a running model sees: q and k around their norm, and at the scores."""

import sys
from contextlib import contextmanager

NORMS = {
    "q_norm": "q",
    "k_norm": "k",
    "v_norm": "v",
    "q_layernorm": "q",
    "k_layernorm": "k",
    "query_layernorm": "q",
    "key_layernorm": "k",
}


def attention_modules(model):
    """(layer index, module) of each softmax attention, in order of its layer."""
    layers = next(module for name, module in model.named_modules() if name.endswith("layers"))
    for index, layer in enumerate(layers):
        for name in ("self_attn", "attention"):
            if hasattr(layer, name):
                yield index, getattr(layer, name)


def kind(attention):
    """What tells one attention layer's mathematics from another's within a model."""
    config = attention.config
    layer_types = getattr(config, "layer_types", None)
    index = attention.layer_idx
    return (
        layer_types[index] if layer_types else "full_attention",
        bool(getattr(attention, "use_rope", True)),
        attention.head_dim,
        getattr(attention, "num_heads", None),
        getattr(attention, "is_kv_shared_layer", False),
        getattr(attention, "v_proj", True) is None,
    )


def first_of_each_kind(model):
    """The first attention layer of the model, then the first of every other kind."""
    found = {}
    for index, attention in attention_modules(model):
        found.setdefault(kind(attention), (index, attention))
    return list(found.values())


def by_token(states, tokens):
    """[1, T, H, D], [1, H, T, D] or [1, T, H*D] as [T, ...]; T differs from every count of heads."""
    states = states[0]
    if states.dim() == 3 and states.shape[0] != tokens:
        states = states.transpose(0, 1)
    assert states.shape[0] == tokens, states.shape
    return states.detach().clone()


@contextmanager
def recording(model, layers, tokens):
    """Yields {layer index: {name: tensor}}, filled while the model runs.

    Names: `hidden` and `output` of the attention module [T, C]; `k_projected` [T, H*D] where k has a
    projection of its own; `q_before`, `k_before` and `q_norm`, `k_norm` around the norms, [T, H, D], or
    [T, H*D] where the norm runs across heads; `q_scores`, `k_scores`, `v_scores` [T, H, D] as the scores take
    them, after norm and RoPE in the family's order.
    """
    seen = {index: {} for index, _ in layers}
    handles = []

    def around_attention(index):
        def hook(_, args, kwargs, output):
            hidden = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
            seen[index]["hidden"] = by_token(hidden, tokens)
            seen[index]["output"] = by_token(output[0] if isinstance(output, tuple) else output, tokens)

        return hook

    def around_norm(index, letter):
        def hook(_, args, output):
            # One module that norms q and then k (Llama 4) comes round twice.
            name = letter or ("k" if "q_norm" in seen[index] else "q")
            seen[index][f"{name}_before"] = by_token(args[0], tokens)
            seen[index][f"{name}_norm"] = by_token(output, tokens)

        return hook

    def after_projection(index):
        def hook(_, __, output):
            seen[index]["k_projected"] = by_token(output, tokens)

        return hook

    for index, attention in layers:
        handles.append(attention.register_forward_hook(around_attention(index), with_kwargs=True))
        if hasattr(attention, "k_proj"):
            handles.append(attention.k_proj.register_forward_hook(after_projection(index)))
        for name, letter in {**NORMS, "qk_norm": None}.items():
            norm = getattr(attention, name, None)
            if norm is not None:
                handles.append(norm.register_forward_hook(around_norm(index, letter)))

    module = sys.modules[type(layers[0][1]).__module__]
    eager = module.eager_attention_forward
    index_of = {attention: index for index, attention in layers}

    def scores(attention, query, key, value, *args, **kwargs):
        if attention in index_of:
            for name, states in (("q", query), ("k", key), ("v", value)):
                seen[index_of[attention]][f"{name}_scores"] = by_token(states, tokens)
        return eager(attention, query, key, value, *args, **kwargs)

    module.eager_attention_forward = scores
    try:
        yield seen
    finally:
        module.eager_attention_forward = eager
        for handle in handles:
            handle.remove()
