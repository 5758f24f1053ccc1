"""Random weights that let every part of a tiny model be heard."""

import math
import re

import torch

# Kept in float32 by their families, in files too.
FLOAT32 = re.compile(r"e_score_correction_bias|expert_bias|\.wg\.weight$")
QUERY_KEY = re.compile(r"\.(q_proj|k_proj)\.")
NORM = re.compile(r"norm")


def random_state(model, family, seed):
    """A state dict for `model`, drawn from `seed`; values that bfloat16 holds, but for the float32 ones.

    Matrices keep the variance of what they multiply, so attention and MLP outweigh the embedding in the
    residual stream; norm weights lie half around what leaves the scale alone; logits get a deviation near 2.
    Where q and k are normalised, what enters the norm has a mean square of 16 eps, so that a wrong eps is
    heard too.
    """
    generator = torch.Generator().manual_seed(seed)
    config = model.config
    eps = next(
        getattr(config, key) for key in ("rms_norm_eps", "norm_eps", "layer_norm_eps") if hasattr(config, key)
    )
    normed = any(re.search(NORM_OF_QUERY, name) for name, _ in model.named_modules())
    small = 4 * math.sqrt(eps) if normed else 1.0
    state = {}
    for name, tensor in model.state_dict().items():
        value = drawn(name, tensor, config, family, generator)
        if QUERY_KEY.search(name):
            value = value * query_scale(name, value, family, config.num_attention_heads, small)
        if "query_key_value" in name and small != 1.0:
            value = value * packed_scale(value, config.num_attention_heads, small)
        state[name] = value if FLOAT32.search(name) else value.bfloat16()
    if config.tie_word_embeddings:
        head = next(name for name in state if name.endswith("lm_head.weight"))
        state[head] = next(value for name, value in state.items() if EMBEDDING.search(name))
    return state


NORM_OF_QUERY = r"\.(q_norm|k_norm|qk_norm|q_layernorm|query_layernorm)$"
EMBEDDING = re.compile(r"(embed_tokens|word_embeddings)\.weight$")


def drawn(name, tensor, config, family, generator):
    """One parameter in float32, before q and k are scaled."""
    shape = tensor.shape

    def normal(deviation):
        return deviation * torch.randn(shape, generator=generator)

    def between(low, high):
        return low + (high - low) * torch.rand(shape, generator=generator)

    if name.endswith((".act_fn.beta", ".act_fn.eps")):
        return tensor.float()  # constants of xIELU, published with the weights
    if name.endswith("A_log"):
        return between(0.5, 4).log()
    if FLOAT32.search(name) and not name.endswith("wg.weight"):
        return normal(0.2)
    if name.endswith(("dt_bias", "alpha_p", "alpha_n")):
        return normal(0.5)
    if name.endswith(("layer_scalar", "router.scale", "per_expert_scale")):
        return between(0.5, 1.5)
    if name.endswith(".bias"):
        return normal(0.1)
    if NORM.search(name.rsplit(".", 1)[0].rsplit(".", 1)[-1]) or ".norms." in name:
        # The gated norm of a delta-net layer multiplies by its weight as it is, unlike its family's others.
        offset = 0 if name.endswith("linear_attn.norm.weight") else family.weight_offset
        return between(0.5, 1.5) - offset
    if EMBEDDING.search(name):
        return normal(2 / math.sqrt(config.hidden_size) if config.tie_word_embeddings else 0.5)
    if "embed_tokens_per_layer" in name:
        return normal(0.3)
    if name.endswith("lm_head.weight"):
        return normal(2 / math.sqrt(config.hidden_size))
    if "conv" in name:
        return normal(1 / math.sqrt(shape[-1]))
    # Llama 4 multiplies its stacked experts from the right.
    fan_in = shape[1] if family.model_type == "llama4_text" and tensor.dim() == 3 else shape[-1]
    router = re.search(r"(gate|router|router\.gate|router\.proj|wg)\.weight$", name)
    return normal((1.5 if router else 1) / math.sqrt(fan_in))


def query_scale(name, value, family, heads, small):
    """The factor for a q or k projection; where q brings an output gate along, only q is scaled."""
    if "q_proj" not in name or not family.query_gate:
        return small
    scale = torch.ones(heads, 2, value.shape[0] // (2 * heads))
    scale[:, 0] = small
    return scale.reshape(value.shape[0], *[1] * (value.dim() - 1))


def packed_scale(value, heads, small):
    """Persimmon packs q, k and v of a head together."""
    scale = torch.ones(heads, 3, value.shape[0] // (3 * heads))
    scale[:, :2] = small
    return scale.reshape(value.shape[0], *[1] * (value.dim() - 1))
