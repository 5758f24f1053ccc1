"""What changing a key of config.json does to a model whose weights stay: found by running it.

Each key of each variant is set to other values, one at a time, and the checkpoint is loaded and run again.
A key's effects are what happened: "logits" when the same tensors gave other logits, "tensors" when other
tensors were wanted; "none" when no value that was taken changed anything, "refused" when none was taken.
"none" is a lead: a key that only fills in for another that is absent (sliding_window_pattern for layer_types)
has no effect where the class holds the other, and one that moves a rounding alone has none in float32.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM


def other_values(name, value):
    """Values of the key's own kind that the checkpoint was not made with."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2]
    if isinstance(value, float):
        return [value * 2 + 0.25]
    if isinstance(value, str):
        return ["gelu", "per-head"] if value != "gelu" else ["silu"]
    if isinstance(value, list) and value:
        return [value[::-1], [value[0]] * len(value), [value[-1]] * len(value)]
    if isinstance(value, dict):
        return [turned_slower(value)]
    return [1, 4, 0.5, True, []]


def turned_slower(rope_parameters):
    """A flat or nested dict of RoPE parameters with other thetas."""
    return {
        key: turned_slower(value)
        if isinstance(value, dict)
        else (value * 3 if key == "rope_theta" else value)
        for key, value in rope_parameters.items()
    }


@torch.no_grad()
def run(folder, config, ids):
    config._attn_implementation = "eager"
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
    )
    unfitting = [info[key] for key in ("missing_keys", "mismatched_keys", "unexpected_keys")]
    return model.eval()(input_ids=ids[None], use_cache=False).logits[0], [sorted(keys) for keys in unfitting]


def effects(out, family, fields):
    """{field: sorted effects} over the variants written in `out`."""
    found = {name: set() for name in fields}
    for variant in family.variants:
        folder = Path(out, family.name, variant.name)
        ids = load_file(folder / "golden.safetensors")["ids"].long()
        # Values as the class holds them: config.json may be an older release's.
        base = AutoConfig.from_pretrained(folder)
        held = json.loads(base.to_json_string(use_diff=False))
        logits, unfitting = run(folder, base, ids)
        for name in fields:
            for value in other_values(name, held.get(name)):
                found[name].add(effect(folder, {**held, name: value}, ids, logits, unfitting))
    return {name: summary(effects) for name, effects in found.items()}


def summary(effects):
    return sorted(effects & {"logits", "tensors"}) or (["none"] if "none" in effects else ["refused"])


def effect(folder, changed, ids, logits, unfitting):
    try:
        config = AutoConfig.for_model(**changed)
        other, other_unfitting = run(folder, config, ids)
    except Exception:  # whatever a class raises at a value is its refusal
        return "refused"
    if other_unfitting != unfitting:
        return "tensors"
    return "none" if other.shape == logits.shape and torch.equal(other, logits) else "logits"
