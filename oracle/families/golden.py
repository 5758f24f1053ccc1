"""Writes one variant: a checkpoint folder and what transformers answers to it, eagerly, on the CPU.

golden.safetensors holds `ids` I32 [T]; `logits` F32 [T, V] of the model in float32; `logits_bf16` BF16 [T, V]
of the model in bfloat16; and for each probed layer L `L.hidden`, `L.output` F32 [T, C] of its attention
module with `L.q_scores`, `L.k_scores` F32 [T, H, D] as the scores take them. The first probed layer has
`L.q_norm`, `L.k_norm` F32 too, and `L.bf16.q_before`, `L.bf16.q_norm` (k, v alike) BF16 around the norms of
the model in bfloat16, whose rounding they show.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from ..checkpoint import versions, write_json, write_record
from .norm_spec import norms
from .probes import first_of_each_kind, recording
from .weights import random_state

TOKENS = 17
SEEDS = 6
TOKEN_BY_TOKEN = 5e-5


def build(family, variant, seed):
    """A model with random weights of the dtype that it is published in."""
    config = AutoConfig.for_model(family.model_type, **variant.config)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    state = random_state(model, family, seed)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if name in state:
            tensor.data = state[name]
    return model.eval()


def write_checkpoint(folder, family, variant, model):
    model.save_pretrained(folder, save_original_format=not variant.stacked)
    for file in folder.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    file = folder / "model.safetensors"
    tensors = load_file(file)
    generator = torch.Generator().manual_seed(7)
    for name, shape in variant.extra.items():
        tensors[name] = torch.randn(shape, generator=generator).bfloat16()
    save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(0o644)
    if variant.older is not None:
        write_older_config(folder, family, variant)


def write_older_config(folder, family, variant):
    """Rewrites config.json with the keys of an older one, and holds that the class reads both as the same."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    before = AutoConfig.from_pretrained(folder).to_dict()
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.57.0"
    for key, value in variant.older.items():
        config.pop(key, None)
        if value is not None or key == "rope_scaling":
            config[key] = value
    write_json(path, dict(sorted(config.items())))
    after = AutoConfig.from_pretrained(folder).to_dict()
    after["rope_parameters"].pop("type", None)  # the older name of rope_type, kept beside it
    different = {
        key: (value, after.get(key))
        for key, value in before.items()
        if after.get(key) != value and key != "transformers_version"
    }
    assert not different, f"{family.name}/{variant.name}: {different}"


def load(folder, dtype):
    """The model that from_pretrained makes of the folder, and the names of the tensors that it left."""
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    return model.eval(), sorted(info["unexpected_keys"])


@torch.no_grad()
def answer(model, ids):
    layers = first_of_each_kind(model)
    with recording(model, layers, len(ids)) as seen:
        logits = model(input_ids=ids[None], use_cache=False).logits[0].float()
    return logits, seen


@torch.no_grad()
def token_by_token(model, ids):
    """Logits [T, V] when each token comes alone, after its past in a cache."""
    rows, cache = [], None
    for token in ids:
        out = model(input_ids=token[None, None], cache=cache, use_cache=True)
        cache = out.cache
        rows.append(out.logits[0, -1].float())
    return torch.stack(rows)


def write_variant(out, family, variant):
    """Takes the steadiest of a few seeds: where bfloat16 changes the fewest top tokens, and least in all."""
    folder = Path(out, family.name, variant.name)
    folder.mkdir(parents=True, exist_ok=True)

    def draw(seed):
        write_checkpoint(folder, family, variant, build(family, variant, seed))
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(variant.config["vocab_size"], (TOKENS,), generator=generator)

    seed = min(range(SEEDS), key=lambda seed: unsteadiness(folder, draw(seed)))
    return write_golden(folder, draw(seed), seed)


def unsteadiness(folder, ids):
    exact, rounded = (answer(load(folder, dtype)[0], ids)[0] for dtype in (torch.float32, torch.bfloat16))
    changed = int((exact.argmax(-1) != rounded.argmax(-1)).sum())
    return changed, ((rounded - exact).norm() / exact.norm()).item()


def write_golden(folder, ids, seed):
    model, unread = load(folder, torch.float32)
    logits, seen = answer(model, ids)
    steps = token_by_token(model, ids)
    model_bf16, _ = load(folder, torch.bfloat16)
    logits_bf16, seen_bf16 = answer(model_bf16, ids)
    apart = (steps - logits).abs().max().item()
    assert logits.isfinite().all() and logits_bf16.isfinite().all(), folder
    assert apart < TOKEN_BY_TOKEN, f"{folder}: token by token differs by {apart}"

    tensors = {"ids": ids.to(torch.int32), "logits": logits, "logits_bf16": logits_bf16.bfloat16()}
    first = next(iter(seen))
    for layer, states in seen.items():
        kept = ["hidden", "output", "q_scores", "k_scores"]
        kept += [name for name in states if layer == first and name.endswith("_norm")]
        tensors |= {f"{layer}.{name}": states[name] for name in kept}
    for name, states in seen_bf16[first].items():
        if name.endswith(("_before", "_norm")):
            tensors[f"{first}.bf16.{name}"] = states
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / "golden.safetensors")
    (folder / "golden.safetensors").chmod(0o644)
    distance = (logits_bf16 - logits).norm() / logits.norm()
    record = {
        "kind": "causal-lm",
        "oracle": "transformers, eager attention, CPU",
        "seed": seed,
        "layers": list(seen),
        "norms": norms(
            first, seen_bf16[first], load_file(folder / "model.safetensors"), model.config.to_dict()
        ),
        "unread": unread,
        "token_by_token": float(f"{apart:.2g}"),
        "logits_std": round(logits.std().item(), 3),
        "bf16_distance": float(f"{distance:.3g}"),
        "bf16_same_top": int((logits.argmax(-1) == logits_bf16.argmax(-1)).sum()),
        "versions": versions(),
    }
    assert math.isfinite(record["logits_std"]) and 0.3 < record["logits_std"] < 20, record
    write_record(folder / "golden.json", record)
    return record
