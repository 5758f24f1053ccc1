"""Writes the families that transformers does not have, by the statements of stated_math.py."""

import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..checkpoint import versions, write_json, write_record
from .golden import SEEDS, TOKENS
from .norm_spec import norms
from .stated_math import Sdar

ORACLE = (
    "a statement in PyTorch of the published mathematics, oracle/families/stated_math.py; not in transformers"
)


def tensor_shapes(family, config):
    """Every tensor of a checkpoint, by its published name."""
    hidden, head_dim = config["hidden_size"], config["head_dim"]
    query = config["num_attention_heads"] * head_dim
    key = config["num_key_value_heads"] * head_dim
    is_sdar = family.statement is Sdar
    statement = family.statement
    shapes = {statement.embedding: (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)

    def mlp(prefix, width):
        for name in ("gate_proj", "up_proj"):
            shapes[f"{prefix}.{name}.weight"] = (width, hidden)
        shapes[f"{prefix}.down_proj.weight"] = (hidden, width)

    def linear(name, rows, columns, bias):
        shapes[f"{name}.weight"] = (rows, columns)
        if bias:
            shapes[f"{name}.bias"] = (rows,)

    for index in range(config["num_hidden_layers"]):
        layer = f"model.layers.{index}"
        attention = f"{layer}.{statement.attention}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{layer}.{name}.weight"] = (hidden,)
        if config.get("use_qk_norm", True):
            for name in (statement.query_norm, statement.key_norm):
                shapes[f"{attention}.{name}.weight"] = (head_dim,)
        if is_sdar:
            for name, rows in (("q_proj", query), ("k_proj", key), ("v_proj", key)):
                linear(f"{attention}.{name}", rows, hidden, config["attention_bias"])
            linear(f"{attention}.o_proj", hidden, query, config["attention_bias"])
        else:
            linear(f"{attention}.query_key_value", query + 2 * key, hidden, config["use_qkv_bias"])
            linear(f"{attention}.dense", hidden, query, config["use_bias"])
        if is_sdar or index < config["first_k_dense_replace"]:
            mlp(f"{layer}.mlp", config["intermediate_size"])
            continue
        shapes[f"{layer}.mlp.gate.weight"] = (config["num_experts"], hidden)
        shapes[f"{layer}.mlp.gate.expert_bias"] = (config["num_experts"],)
        for expert in range(config["num_experts"]):
            mlp(f"{layer}.mlp.experts.{expert}", config["moe_intermediate_size"])
        mlp(f"{layer}.mlp.shared_experts", config["moe_intermediate_size"] * config["num_shared_experts"])
    return shapes


def random_tensors(family, config, seed):
    """As weights.py draws them: q and k enter their norm with a mean square of 16 eps."""
    generator = torch.Generator().manual_seed(seed)
    small = 4 * math.sqrt(config["rms_norm_eps"]) if config.get("use_qk_norm", True) else 1.0
    tensors = {}
    for name, shape in tensor_shapes(family, config).items():
        value = torch.randn(shape, generator=generator)
        if name.endswith("expert_bias"):
            tensors[name] = 0.2 * value
            continue
        if "norm" in name:
            value = 0.5 + torch.rand(shape, generator=generator)
        elif name.endswith(".bias"):
            value = 0.1 * value
        elif name == family.statement.embedding and not config["tie_word_embeddings"]:
            value = 0.5 * value
        else:
            louder = {"lm_head.weight": 2, family.statement.embedding: 2}.get(name, 1)
            value = value * (1.5 if ".gate.weight" in name else louder) / math.sqrt(shape[-1])
        if ".q_proj" in name or ".k_proj" in name:
            value = value * small
        if ".query_key_value" in name:
            query_and_key = shape[0] - config["num_key_value_heads"] * config["head_dim"]
            value[:query_and_key] *= small
        tensors[name] = value.bfloat16()
    return tensors


@torch.no_grad()
def write_variant(out, family, variant):
    folder = Path(out, family.name, variant.name)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", dict(sorted(variant.config.items())))
    changed, seed = min((changed_tops(family, variant, seed), seed) for seed in range(SEEDS))
    weights, ids = draw(family, variant, seed)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = family.statement(variant.config, weights, torch.float32)
    logits, seen = model.logits(ids, variant.block)
    apart = None
    if variant.block == 1:  # a causal model's row t is the last of its first t + 1 tokens
        rows = torch.stack([model.logits(ids[: t + 1])[0][-1] for t in range(TOKENS)])
        apart = float(f"{(rows - logits).abs().max().item():.2g}")
    logits_bf16, seen_bf16 = family.statement(variant.config, weights, torch.bfloat16).logits(
        ids, variant.block
    )
    tensors = {"ids": ids.to(torch.int32), "logits": logits, "logits_bf16": logits_bf16}
    for name in ("hidden", "output", "q_scores", "k_scores"):
        tensors[f"0.{name}"] = seen[name]
    if model.has_qk_norm:
        tensors |= {f"0.{name}": seen[name] for name in ("q_norm", "k_norm")}
        for name in ("q_before", "k_before", "q_norm", "k_norm"):
            tensors[f"0.bf16.{name}"] = seen_bf16[name]
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "golden.safetensors")
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    distance = (logits_bf16.float() - logits).norm() / logits.norm()
    record = {
        "kind": "causal-lm" if variant.block == 1 else "block-lm",
        "oracle": ORACLE,
        "seed": seed,
        "layers": [0],
        "norms": norms(0, seen_bf16, weights, variant.config) if model.has_qk_norm else {},
        "block": variant.block,
        "unread": [],
        "token_by_token": apart,
        "logits_std": round(logits.std().item(), 3),
        "bf16_distance": float(f"{distance:.3g}"),
        "bf16_same_top": TOKENS - changed,
        "versions": {key: value for key, value in versions().items() if key != "transformers"},
    }
    write_record(folder / "golden.json", record)
    return record


def draw(family, variant, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(variant.config["vocab_size"], (TOKENS,), generator=generator)
    return random_tensors(family, variant.config, seed), ids


def changed_tops(family, variant, seed):
    weights, ids = draw(family, variant, seed)
    tops = [
        family.statement(variant.config, weights, dtype).logits(ids, variant.block)[0].argmax(-1)
        for dtype in (torch.float32, torch.bfloat16)
    ]
    return int((tops[0] != tops[1]).sum())


def config_keys(_, family):
    return {
        "model_type": family.variants[0].config["model_type"],
        "class": "brought along by the checkpoints",
        "version": None,
        "fields": {
            name: {"default": value, "type": None, "effect": None} for name, value in family.defaults.items()
        },
        "aliases": family.aliases,
        "inherited": [],
    }
