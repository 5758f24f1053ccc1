"""Which norm a family applies to q, k and v, told from the bits that it gave in bfloat16."""

import re

import torch

PREFIXES = {"q": ("q", "query", "qk"), "k": ("k", "key", "qk"), "v": ("v",)}


def parameters_of(letter, layer, weights):
    """Weight and bias of a layer's norm, [D], [H*D] or [H, D]; None where it has none."""
    found = {"weight": [], "bias": []}
    pattern = re.compile(
        rf"^model\.layers\.{layer}\.\w+\.({'|'.join(PREFIXES[letter])})_(layer)?norm(\.norms\.(\d+))?\.(weight|bias)$"
    )
    for name, tensor in weights.items():
        if match := pattern.match(name):
            found[match[5]].append((int(match[4] or 0), tensor))
    return (
        torch.stack([tensor for _, tensor in sorted(part, key=lambda pair: pair[0])]).squeeze(0)
        if part
        else None
        for part in (found["weight"], found["bias"])
    )


def normalised(kind, x, eps):
    """x over the root of its mean square, or of its variance, in float32."""
    x = x.float()
    if kind == "layer":
        x = x - x.mean(-1, keepdim=True)
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def candidates(x, weight, bias, eps):
    """(spec, result) of every norm that the tensors allow."""
    shift = 0 if bias is None else bias.float()
    for kind in ("rms", "layer"):
        y = normalised(kind, x, eps)
        spec = {"kind": kind, "bias": bias is not None}
        if weight is None:
            yield {**spec, "weightOffset": 0, "rounding": "once"}, y.to(x.dtype)
            continue
        for offset in (0, 1):
            once = (y * (weight.float() + offset) + shift).to(x.dtype)
            yield {**spec, "weightOffset": offset, "rounding": "once"}, once
        if bias is None:
            yield {**spec, "weightOffset": 0, "rounding": "hf"}, weight * y.to(x.dtype)


def norm_spec(letter, layer, states, weights, eps):
    """The one spec whose result equals the recorded `<letter>_norm` in every bit, with the config's eps."""
    before, after = states[f"{letter}_before"], states[f"{letter}_norm"]
    weight, bias = parameters_of(letter, layer, weights)
    fitting = [spec for spec, result in candidates(before, weight, bias, eps) if torch.equal(result, after)]
    assert len(fitting) == 1, f"{letter} of layer {layer}: {len(fitting)} norms give these bits"
    axis = "row" if before.dim() == 2 else "head"
    shape = (
        None if weight is None else "[H, D]" if weight.dim() == 2 else "[D]" if axis == "head" else "[H*D]"
    )
    return {"axis": axis, **fitting[0], "weight": shape, "eps": eps}


def norms(layer, states, weights, config):
    """{"q": spec, ...} of what is normed, and whether it is before or after RoPE."""
    eps = next(config[key] for key in ("rms_norm_eps", "norm_eps", "layer_norm_eps") if key in config)
    specs = {
        letter: norm_spec(letter, layer, states, weights, eps)
        for letter in PREFIXES
        if f"{letter}_norm" in states
    }
    if specs:
        # Whoever norms first norms what the projection gave. Packed projections (Persimmon) are normed first.
        projected = states.get("k_projected")
        is_before = projected is None or torch.equal(projected.flatten(1), states["k_before"].flatten(1))
        specs["rope"] = "after the norm" if is_before else "before the norm"
    return specs
