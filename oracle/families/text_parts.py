"""Writes packages/models/golden/text-parts.json: checkpoints of models that take pictures, around the text of golden variants.

    python -m oracle.families.text_parts

For each `model_type` what transformers publishes of a tiny model whose `text_config` and text weights are a variant's: its
config.json, and for each name of its files the variant's tensor of that name, or the shape of one that is of another part.
`apart` is how far transformers' float32 logits of the whole model, given the variant's tokens alone, are from the variant's.
"""

import json
import logging
import re
import tempfile
import warnings
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from ..checkpoint import versions

GOLDEN = Path(__file__).resolve().parents[2] / "packages" / "models" / "golden"
BLOCKS = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
IMAGE = {"image_size": 16, "patch_size": 8}
QWEN = {
    "depth": 1,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_heads": 2,
    "patch_size": 4,
    "out_hidden_size": 32,
    "num_position_embeddings": 16,
}
# The model_type, the variant of its text, and the configuration of what sees.
MODELS = (
    ("gemma3", "gemma3/published", {"model_type": "siglip_vision_model", **BLOCKS, **IMAGE}),
    (
        "gemma4",
        "gemma4/per-layer-inputs",
        {**BLOCKS, "num_key_value_heads": 2, "head_dim": 4, "patch_size": 4, "position_embedding_size": 16},
    ),
    ("internvl", "qwen2/windowed", {**BLOCKS, "image_size": [16, 16], "patch_size": [8, 8]}),
    (
        "lfm2_vl",
        "lfm2/published",
        {"model_type": "siglip2_vision_model", **BLOCKS, "num_patches": 16, "patch_size": 8},
    ),
    (
        "llama4",
        "llama4/chunked",
        {
            **BLOCKS,
            **IMAGE,
            "intermediate_size": 32,
            "vision_output_dim": 8,
            "projector_input_dim": 8,
            "projector_output_dim": 8,
        },
    ),
    ("llava", "llama/scaled", {"model_type": "clip_vision_model", **BLOCKS, **IMAGE, "projection_dim": 8}),
    ("mistral3", "mistral/windowed", {"model_type": "pixtral", **BLOCKS, **IMAGE, "head_dim": 4}),
    ("qwen3_5", "qwen3-5/published", QWEN),
    ("qwen3_5_moe", "qwen3-5-moe/published", QWEN),
)
TEXT = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?|^lm_head\.")


def build(model_type, variant, vision):
    text = AutoConfig.from_pretrained(GOLDEN / variant)
    config = AutoConfig.for_model(
        model_type,
        text_config={**text.to_dict(), "pad_token_id": 0},
        vision_config=vision,
        tie_word_embeddings=text.tie_word_embeddings,
    )
    config._attn_implementation = "eager"
    return AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)


def origin(name):
    """The variant's name of a text tensor, or None."""
    if not TEXT.match(name):
        return None
    return name[name.index("lm_head.") :] if "lm_head." in name else "model." + TEXT.sub("", name)


@torch.no_grad()
def logits(folder, ids):
    model, info = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "mismatched_keys", "unexpected_keys")), info
    # transformers 5.24 asks the outputs of Llama 4's text for pictures, and fails; its text model answers alone.
    whole = model.language_model if model.config.model_type == "llama4" else model
    return whole.eval()(input_ids=ids[None], use_cache=False).logits[0]


def record(model_type, variant, vision, original):
    """One checkpoint as published, by names of older releases where `original` asks for them.

    None where transformers would stack the experts that the variant has one by one.
    """
    weights = load_file(GOLDEN / variant / "model.safetensors")
    golden = load_file(GOLDEN / variant / "golden.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        build(model_type, variant, vision).save_pretrained(folder, save_original_format=original)
        file = Path(folder, "model.safetensors")
        tensors = load_file(file)
        origins = {name: origin(name) for name in sorted(tensors)}
        if any(name and name not in weights for name in origins.values()):
            return None
        unused = set(weights) - set(origins.values())
        assert not {name for name in unused if not name.startswith("mtp.")}, unused
        save_file(
            {name: weights[origins[name]] if origins[name] else tensors[name] for name in tensors},
            file,
            metadata={"format": "pt"},
        )
        apart = (logits(folder, golden["ids"].long()) - golden["logits"]).abs().max().item()
        config = json.loads(Path(folder, "config.json").read_text())
        # Where the variant lay here, which is nobody else's business.
        config["text_config"].pop("_name_or_path", None)
    assert apart < 1e-5, (model_type, variant, apart)
    return {
        "variant": variant,
        "apart": float(f"{apart:.1g}"),
        "config": config,
        "tensors": {name: origins[name] or list(tensors[name].shape) for name in origins},
    }


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    records = []
    for model in MODELS:
        original, current = (record(*model, original) for original in (True, False))
        differ = current is not None and current["tensors"] != original["tensors"]
        records += [original, current] if differ else [original]
        print(model[0], original["apart"], flush=True)
    lines = ",\n".join(json.dumps(one) for one in records)
    path = GOLDEN / "text-parts.json"
    path.write_text(f'{{"versions": {json.dumps(versions())}, "models": [\n{lines}\n]}}\n')
    print(f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
