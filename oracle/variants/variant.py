"""One checkpoint folder that differs from a plain tiny Qwen3 in one thing, and what is to come of it."""

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from checkpoint import write_json  # noqa: E402

TINY = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "eos_token_id": 95,
    "torch_dtype": "float32",
}


@dataclass
class Variant:
    """`config` changes keys of TINY; None as a key's value writes null, and `absent` leaves keys out."""

    name: str
    config: dict = field(default_factory=dict)
    absent: tuple = ()
    generation: dict | None = None
    tokens: int = 24
    generate: int = 0
    # Writes the weights of the folder; gets the folder and the state of a model of that config.
    write: Callable = lambda folder, state: save_weights(folder, state)
    # What a refusal has to name; None where logits have to agree.
    refused: str | None = None
    seed: int = 0

    @property
    def kind(self):
        return self.name.split("/")[0]

    def full_config(self):
        return {key: value for key, value in {**TINY, **self.config}.items() if key not in self.absent}

    def make(self, folder):
        """Writes the folder; returns the token ids to run."""
        folder.mkdir(parents=True)
        config = self.full_config()
        write_json(folder / "config.json", config)
        # A config to be refused asks for weights that the folder does not have.
        sizes = TINY if self.kind == "refused" else config
        self.write(folder, random_state(sizes_of(sizes), self.seed))
        if self.generation is not None:
            write_json(folder / "generation_config.json", self.generation)
        generator = torch.Generator().manual_seed(self.seed + 1)
        return torch.randint(sizes["vocab_size"] - 2, (self.tokens,), generator=generator).tolist()


def sizes_of(config):
    """A config of the same sizes that nothing is odd about: for making weights."""
    keys = [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "attention_bias",
        "rms_norm_eps",
    ]
    sizes = {key: config[key] for key in keys if config.get(key) is not None}
    if config.get("num_key_value_heads", 0) is None:
        sizes["num_key_value_heads"] = config["num_attention_heads"]
    sizes["head_dim"] = config.get("head_dim") or 128
    return transformers.Qwen3Config(**sizes, tie_word_embeddings=False)


def random_state(config, seed):
    """Weights that let every part be heard: matrices that keep variance, norms in 0.5..1.5, logits near 2."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in transformers.Qwen3ForCausalLM(config).named_parameters()}
    state = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            state[name] = 0.5 + torch.rand(shape, generator=generator) if "norm" in name else 0.3 * values
        elif "embed_tokens" in name or "lm_head" in name:
            state[name] = values * 2 / math.sqrt(shape[1])
        else:
            state[name] = values / math.sqrt(shape[1])
    return state


def save_weights(folder, tensors, file="model.safetensors", metadata={"format": "pt"}):
    save_file({name: t.contiguous() for name, t in tensors.items()}, Path(folder, file), metadata=metadata)


def tied(state):
    return {name: t for name, t in state.items() if name != "lm_head.weight"}


def write_index(folder, weight_map):
    write_json(Path(folder, "model.safetensors.index.json"), {"metadata": {}, "weight_map": weight_map})


def edit_header(folder, change, file="model.safetensors"):
    """Rewrites the JSON header of a safetensors file."""
    raw = Path(folder, file).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.dumps(change(json.loads(raw[8 : 8 + size]))).encode()
    Path(folder, file).write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + size :])
