"""LoRA adapters beside the weights, as PEFT writes them, and FP8 blocks."""

from pathlib import Path

import torch
import transformers

from variant import Variant, save_weights

BLOCK = 128


def adapted(**lora):
    """Writes the weights and an adapter whose second matrix is not zero, as training leaves it."""

    def write(folder, state):
        from peft import LoraConfig, get_peft_model

        save_weights(folder, state)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        torch.manual_seed(7)
        peft = get_peft_model(model, LoraConfig(**lora))
        for name, parameter in peft.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn(parameter.shape) / parameter.shape[-1] ** 0.5
        peft.save_pretrained(folder)
        Path(folder, "README.md").unlink(missing_ok=True)

    return write


ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def loras():
    for rank, alpha in [(1, 1), (2, 16), (4, 8), (16, 4)]:
        yield Variant(f"lora/rank {rank}, alpha {alpha}", write=adapted(r=rank, lora_alpha=alpha, target_modules=ALL))
    for target in ALL:
        yield Variant(f"lora/{target}", write=adapted(r=3, lora_alpha=6, target_modules=[target]))
    yield Variant("lora/all-linear", write=adapted(r=3, lora_alpha=6, target_modules="all-linear"))
    yield Variant("lora/a regular expression of targets", write=adapted(r=3, lora_alpha=6, target_modules=r".*layers\.1\..*_proj"))
    yield Variant("lora/rslora", write=adapted(r=8, lora_alpha=8, target_modules=ALL, use_rslora=True))
    patterns = dict(rank_pattern={"q_proj": 6, "layers.1.mlp.up_proj": 2}, alpha_pattern={"v_proj": 12})
    yield Variant("lora/rank and alpha patterns", write=adapted(r=4, lora_alpha=8, target_modules=ALL, **patterns))
    anchored = dict(rank_pattern={"^model.layers.0.self_attn.q_proj": 6})
    yield Variant("lora/anchored pattern", write=adapted(r=4, lora_alpha=8, target_modules=ALL, **anchored))
    yield Variant("lora/rslora and patterns", write=adapted(r=4, lora_alpha=8, target_modules=ALL, use_rslora=True, **patterns))
    yield Variant("lora/some layers", write=adapted(r=4, lora_alpha=8, target_modules=ALL, layers_to_transform=[1]))
    yield Variant("lora/lm_head", write=adapted(r=4, lora_alpha=8, target_modules=["lm_head", "q_proj"]))
    yield Variant("lora/biased base", dict(attention_bias=True), write=adapted(r=4, lora_alpha=8, target_modules=ALL))
    yield Variant("lora/dropout", write=adapted(r=4, lora_alpha=8, target_modules=ALL, lora_dropout=0.5))
    for key, lora in {
        "use_dora": dict(use_dora=True),
        "bias": dict(bias="all"),
        "modules_to_save": dict(modules_to_save=["embed_tokens"]),
        "lora_bias": dict(lora_bias=True, target_modules=["q_proj"]),
    }.items():
        config = {**dict(r=4, lora_alpha=8, target_modules=ALL), **lora}
        biased = dict(attention_bias=True) if key == "lora_bias" else {}
        yield Variant(f"lora/{key}", biased, write=adapted(**config), refused=key)


def quantized(state, skip=()):
    """Each projection in FP8 E4M3 with one scale for each 128 x 128 block, as DeepSeek and Qwen publish it."""
    result = {}
    for name, weight in state.items():
        if "_proj.weight" not in name or any(part in name for part in skip):
            result[name] = weight.bfloat16()
            continue
        rows, columns = weight.shape
        blocks = weight.view(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
        scale = blocks.abs().amax(dim=(1, 3)) / 448
        values = (blocks / scale[:, None, :, None]).view(rows, columns)
        result[name] = values.to(torch.float8_e4m3fn)
        result[name + "_scale_inv"] = scale
    return result


def fp8():
    sizes = dict(hidden_size=128, intermediate_size=256, head_dim=64, num_attention_heads=4, num_key_value_heads=2)
    settings = dict(
        quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[BLOCK, BLOCK]
    )
    for hidden in (128, 384):
        config = dict(sizes, hidden_size=hidden, quantization_config=settings, torch_dtype="bfloat16")
        yield Variant(f"fp8/hidden {hidden}", config, write=lambda folder, state: save_weights(folder, quantized(state)))
    skip = ["model.layers.0.mlp.down_proj", "lm_head"]
    yield Variant(
        "fp8/some modules not converted",
        dict(sizes, quantization_config=dict(settings, modules_to_not_convert=skip)),
        write=lambda folder, state: save_weights(folder, quantized(state, ["layers.0.mlp.down_proj"])),
    )


def variants():
    yield from loras()
    yield from fp8()
