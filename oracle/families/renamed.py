"""Holds the stated mathematics against models of transformers that compute the same under other names.

    python -m oracle.families.renamed

SDAR under a causal mask is Qwen3. Ling 2 is GLM-4.5 with its tensors renamed and q, k and v split, as far as
GLM-4.5 has the switch (no bias on the output projection). LLaDA2-MoE is Ling 2.
"""

import re

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from .stated import TOKENS, draw
from .stated_configs import FAMILIES
from .stated_math import BailingMoe

NAMES = (
    (r"word_embeddings", "embed_tokens"),
    (r"\.attention\.", ".self_attn."),
    (r"\.dense\.", ".o_proj."),
    (r"query_layernorm", "q_norm"),
    (r"key_layernorm", "k_norm"),
    (r"gate\.expert_bias", "gate.e_score_correction_bias"),
)


def as_glm4_moe(config, weights):
    """Config and tensors of a GLM-4.5 that is the given Ling 2."""
    renamed = {}
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    for name, tensor in weights.items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        if "query_key_value" in name:
            rows = [count * config["head_dim"] for count in (heads, groups, groups)]
            for letter, part in zip("qkv", tensor.split(rows)):
                renamed[name.replace("query_key_value", f"{letter}_proj")] = part
        else:
            renamed[name] = tensor
    config = {
        **config,
        "model_type": "glm4_moe",
        "n_routed_experts": config["num_experts"],
        "n_shared_experts": config["num_shared_experts"],
        "attention_bias": config["use_qkv_bias"],
        "num_nextn_predict_layers": 0,
    }
    return config, stacked(renamed, config["num_experts"])


def stacked(weights, experts):
    """One tensor for a layer's experts, as transformers 5 holds them."""
    result = {name: tensor for name, tensor in weights.items() if ".experts." not in name}
    for first in [name for name in weights if name.endswith(".experts.0.gate_proj.weight")]:
        prefix = first.removesuffix(".0.gate_proj.weight")
        gate, up, down = (
            torch.stack([weights[f"{prefix}.{e}.{name}_proj.weight"] for e in range(experts)])
            for name in ("gate", "up", "down")
        )
        result[f"{prefix}.gate_up_proj"] = torch.cat([gate, up], dim=1)
        result[f"{prefix}.down_proj"] = down
    return result


@torch.no_grad()
def largest_difference(family, variant):
    weights, ids = draw(family, variant, 0)
    config = {
        key: value for key, value in variant.config.items() if key not in ("architectures", "torch_dtype")
    }
    if issubclass(family.statement, BailingMoe):
        config, theirs = as_glm4_moe(config, weights)
    else:
        config, theirs = {**config, "model_type": "qwen3"}, weights
    built = AutoConfig.for_model(config.pop("model_type"), **config)
    built._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(built, dtype=torch.float32).eval()
    tied = {"lm_head.weight": theirs["model.embed_tokens.weight"]} if built.tie_word_embeddings else {}
    model.load_state_dict({name: tensor.float() for name, tensor in {**theirs, **tied}.items()}, strict=True)
    ours, _ = family.statement(variant.config, weights, torch.float32).logits(ids)
    assert len(ids) == TOKENS
    return (model(input_ids=ids[None]).logits[0] - ours).abs().max().item()


def main():
    for family in FAMILIES:
        for variant in family.variants:
            if variant.config.get("use_bias"):
                continue
            difference = largest_difference(family, variant)
            print(f"{family.name}/{variant.name} under a causal mask: {difference:.1e}")
            assert difference < 1e-5


if __name__ == "__main__":
    main()
