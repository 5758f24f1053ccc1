"""Small goldens of the variants that were wrong or refused once, and the keys of transformers' configs.

    python oracle/variants/golden.py

Writes packages/models/golden/variants/: `model.safetensors`, one tiny Qwen3 in float32; `adapter/`, a LoRA adapter of it;
`variants.json`, what transformers makes of it under other configs (the last logits of each sequence, in float32, and the
embedding of one); and `keys.json`, every key that transformers' classes know or look for in a Qwen3 folder, and
the values of FP8 E4M3.
"""

import dataclasses
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from adapters import ALL, adapted  # noqa: E402
from attention import ORIGINAL, SCALINGS  # noqa: E402
from checkpoint import versions, write_json, write_record  # noqa: E402
from variant import TINY, random_state, save_weights, sizes_of  # noqa: E402

OUT = Path(__file__).resolve().parent.parent.parent / "packages" / "models" / "golden" / "variants"
BASE = dict(TINY, vocab_size=40, hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1)
LORA = dict(
    r=3,
    lora_alpha=6,
    target_modules=ALL,
    use_rslora=True,
    rank_pattern={"q_proj": 2, "layers.1.mlp.up_proj": 4},
    alpha_pattern={"v_proj": 12},
)
ROWS = 3


def configs():
    """Name, changes of the config, tokens, whether the adapter lies beside the weights."""
    yield "plain", {}, 24, False
    yield "a head that differs from the embedding it is tied to", dict(tie_word_embeddings=True), 24, False
    yield "a LoRA adapter", {}, 24, True
    yield "attention to later tokens", dict(is_causal=False), 24, False
    for name, scaling in SCALINGS.items():
        for tokens in (12, 40):
            yield f"{name}, {tokens} tokens", dict(rope_parameters=dict(scaling, rope_theta=10000.0)), tokens, False
        old = dict(scaling)
        old["type"] = old.pop("rope_type")
        yield f"{name} in its old spelling", dict(rope_scaling=old), 40, False
    for tokens in (ORIGINAL, ORIGINAL + 1, 30):
        dynamic = dict(rope_scaling=dict(type="dynamic", factor=2.0), max_position_embeddings=ORIGINAL)
        yield f"dynamic, {tokens} tokens", dynamic, tokens, False
    for window in (1, 5, 24):
        used = dict(use_sliding_window=True, sliding_window=window, max_window_layers=1)
        yield f"a window of {window} from layer 1", used, 24, False
    kinds = dict(use_sliding_window=True, sliding_window=4, layer_types=["sliding_attention", "full_attention"])
    yield "a window by layer types", kinds, 24, False


@torch.no_grad()
def write_goldens(state):
    cases = []
    for n, (name, changes, tokens, adapter) in enumerate(configs()):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            save_weights(folder, state)
            config = {**BASE, **changes}
            write_json(folder / "config.json", config)
            if adapter:
                for file in (OUT / "adapter").iterdir():
                    shutil.copy(file, folder)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager"
            )
            ids = torch.randint(BASE["vocab_size"], (tokens,), generator=torch.Generator().manual_seed(n))
            logits = model(ids[None]).logits[0, -ROWS:]
            case = {"name": name, "config": changes, "adapter": adapter, "ids": ids.tolist()}
            case["logits"] = [[float(f"{x:.7g}") for x in row] for row in logits.tolist()]
            if name == "plain":
                hidden = model.model(ids[None]).last_hidden_state[0]
                pooled = {"last": hidden[-1], "first": hidden[0], "mean": hidden.mean(0)}
                case["embeddings"] = {
                    key: torch.nn.functional.normalize(vector, dim=0).tolist() for key, vector in pooled.items()
                }
            cases.append(case)
    lines = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    head = json.dumps({"versions": versions(), "base": BASE})
    (OUT / "variants.json").write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n')


def names_in(*files):
    """What transformers' own sources ask a config for."""
    package = Path(transformers.__file__).parent
    pattern = r"""(?:get|has)attr\((?:self\.)?config, ["'](\w+)["']|\bconfig\.([a-z_]+)\b(?!\()"""
    found = set()
    for file in files:
        for first, second in re.findall(pattern, (package / file).read_text()):
            found.add(first or second)
    return found


def write_keys():
    config = transformers.Qwen3Config
    fields = {field.name for field in dataclasses.fields(config)}
    saved = set(config().to_dict())
    old = {"torch_dtype", "rope_scaling", "rope_theta", "partial_rotary_factor", "num_labels", "name_or_path"}
    old |= {"_name_or_path", "_commit_hash", "output_attentions", "attn_implementation", "experts_implementation"}
    old |= {"per_layer_config", "original_max_position_embeddings", "quantization_config"}
    asked = names_in("masking_utils.py", "models/qwen3/modeling_qwen3.py", "models/qwen3/configuration_qwen3.py")
    asked &= {"is_causal", "sliding_window", "layer_types"} | fields
    generation = {key for key in transformers.GenerationConfig().to_dict()}
    write_record(
        OUT / "keys.json",
        {
            "versions": versions(),
            "qwen3Config": sorted(fields | saved | old | asked),
            "generationConfig": sorted(generation | set(transformers.GenerationConfig._get_default_generation_params())),
            "e4m3": [
                None if value != value else value
                for value in torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float().tolist()
            ],
        },
    )


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "adapter").mkdir(parents=True)
    state = random_state(sizes_of(BASE), 5)
    save_weights(OUT, state)
    with tempfile.TemporaryDirectory() as scratch:
        write_json(Path(scratch, "config.json"), BASE)
        adapted(**LORA)(Path(scratch), state)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(Path(scratch, file), OUT / "adapter")
    settings = json.loads((OUT / "adapter" / "adapter_config.json").read_text())
    write_json(OUT / "adapter" / "adapter_config.json", {**settings, "base_model_name_or_path": None})
    write_goldens(state)
    write_keys()
    for file in OUT.rglob("*.safetensors"):
        file.chmod(0o644)


if __name__ == "__main__":
    main()
