"""Attention blocks of diffusion transformers alone, by diffusers: two streams that attend jointly, or across.

golden.safetensors holds the inputs `hidden` [S, C] and, where there is a second stream, `context` [T, C];
`rope_cos`, `rope_sin` [T + S or S, D], each frequency twice side by side, for neighbours rotate against each
other; `output` and `context_output`; `q_norm`, `k_norm` and their `added_` kin after the norm; and `bf16.*`
of a module in bfloat16.
"""

import inspect
import math
from pathlib import Path

import diffusers
import torch
from diffusers.models.attention_processor import Attention, JointAttnProcessor2_0
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor
from safetensors.torch import save_file

from ..checkpoint import versions, write_json, write_record
from .block_configs import IMAGE, WAN_TEXT

PROCESSORS = {Attention: JointAttnProcessor2_0, WanAttention: WanAttnProcessor}
NORMS = {
    "norm_q": "q_norm",
    "norm_k": "k_norm",
    "norm_added_q": "added_q_norm",
    "norm_added_k": "added_k_norm",
}


def build(family, block, seed):
    """The module with random weights that bfloat16 holds; q and k enter their norm with a mean square of 16
    eps.
    """
    arguments = dict(block.arguments)
    if family.module in PROCESSORS:
        arguments["processor"] = PROCESSORS[family.module]()
    module = family.module(**arguments).eval()
    generator = torch.Generator().manual_seed(seed)
    small = 1.0 if arguments.get("qk_norm", "rms_norm") is None else 4 * math.sqrt(arguments["eps"])
    for name, parameter in module.named_parameters():
        value = torch.randn(parameter.shape, generator=generator)
        if name.startswith("norm"):
            value = 0.5 + torch.rand(parameter.shape, generator=generator)
        elif name.endswith(".bias"):
            value = 0.1 * value
        else:
            value = value / math.sqrt(parameter.shape[-1])
        if name.startswith(("to_q.", "to_k.", "add_q_proj.", "add_k_proj.")):
            value = small * value
        parameter.data = value.bfloat16().float()
    return module, generator


def rope_of(tokens, head_dim):
    return get_1d_rotary_pos_embed(
        head_dim, torch.arange(tokens), theta=10000.0, use_real=True, repeat_interleave_real=True
    )


def run(family, block, module, inputs):
    """Outputs and what the norms gave, without the batch axis; a norm across heads gives [T, H*D]."""
    seen = {}
    dtype = next(module.parameters()).dtype
    handles = [
        getattr(module, name).register_forward_hook(
            lambda _, __, output, key=key: seen.__setitem__(key, by_token(output, module.heads))
        )
        for name, key in NORMS.items()
        if getattr(module, name, None) is not None
    ]
    arguments = {"hidden_states": inputs["hidden"][None].to(dtype)}
    if block.context:
        arguments["encoder_hidden_states"] = inputs["context"][None].to(dtype)
    if block.rope:
        cos, sin = inputs["rope_cos"], inputs["rope_sin"]
        wan = family.module is WanAttention  # takes [1, S, 1, D]
        rotary = (cos[None, :, None], sin[None, :, None]) if wan else (cos, sin)
        arguments["rotary_emb" if wan else "image_rotary_emb"] = rotary
    output = module(**arguments)
    for handle in handles:
        handle.remove()
    outputs = output if isinstance(output, tuple) else (output,)
    names = ("output", "context_output")
    return {**{name: tensor[0] for name, tensor in zip(names, outputs)}, **seen}


def by_token(states, heads):
    """[1, H, T, D] as [T, H, D]; the others have their tokens first already."""
    states = states[0]
    is_by_head = states.dim() == 3 and states.shape[0] == heads
    return (states.transpose(0, 1) if is_by_head else states).detach().clone()


@torch.no_grad()
def write_variant(out, family, block):
    folder = Path(out, family.name, block.name)
    folder.mkdir(parents=True, exist_ok=True)
    seed = 0
    module, generator = build(family, block, seed)
    write_json(
        folder / "config.json",
        {"class": f"diffusers.{family.module.__name__}", "prefix": block.prefix, **block.arguments},
    )
    state = {f"{block.prefix}.{name}": tensor.bfloat16() for name, tensor in module.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    inputs = {"hidden": torch.randn(IMAGE, 32, generator=generator).bfloat16().float()}
    if block.context:
        inputs["context"] = torch.randn(block.context, 32, generator=generator).bfloat16().float()
    if block.rope:
        rotated = IMAGE + (block.context if block.joint else 0)
        inputs["rope_cos"], inputs["rope_sin"] = rope_of(rotated, block.arguments["dim_head"])
    answers = run(family, block, module, inputs)
    rounded = run(family, block, module.bfloat16(), inputs)
    tensors = {**inputs, **answers, **{f"bf16.{name}": tensor for name, tensor in rounded.items()}}
    if block.context > WAN_TEXT:  # bfloat16 holds it, and it is long
        tensors["context"] = tensors["context"].bfloat16()
        del tensors["bf16.k_norm"], tensors["k_norm"]
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "golden.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    record = {
        "kind": "attention",
        "oracle": "diffusers, scaled_dot_product_attention, CPU",
        "seed": seed,
        "tokens": {"hidden": IMAGE, "context": block.context},
        "output_std": round(answers["output"].std().item(), 3),
        "versions": {
            **{key: value for key, value in versions().items() if key != "transformers"},
            "diffusers": diffusers.__version__,
        },
    }
    write_record(folder / "golden.json", record)
    return record


def config_keys(_, family):
    """The arguments of the module's class stand in for a config class's keys."""
    parameters = inspect.signature(family.module.__init__).parameters
    fields = {
        name: {
            "default": None if parameter.default is inspect.Parameter.empty else parameter.default,
            "type": str(parameter.annotation).replace("<class '", "").replace("'>", ""),
            "effect": None,
        }
        for name, parameter in parameters.items()
        if name not in ("self", "processor")
    }
    return {
        "model_type": None,
        "class": f"diffusers.{family.module.__name__}",
        "version": diffusers.__version__,
        "fields": fields,
        "aliases": {},
        "inherited": [],
    }
