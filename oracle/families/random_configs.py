"""Runs families with transformers and with this project on configurations drawn at random, and compares.

    python -m oracle.families.random_configs [FAMILY ...] [--count 8] [--seed 1]

Every key of a family's config class is drawn from values of its kind, half of the files in the form of transformers
4. Prints a line for each: the largest difference of the float32 logits, or what was refused and why; what transformers
itself refuses is drawn again. Exits with 1 where logits differ by more than 1e-4.
"""

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import transformers

from .exact import exactly
from .random_experts import experts_of
from .random_mixers import family_fields, mixers_of
from .family import Variant, llama3, rope, yarn
from .golden import build, load, write_checkpoint
from .registry import FAMILIES
from .stated_configs import StatedFamily

ROOT = Path(__file__).resolve().parents[2]
BOUND = 1e-4
TOKENS = (1, 5, 23, 71)
ACTIVATIONS = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2", "sigmoid", "tanh")
FIXED = {"initializer_range", "use_cache", "pretraining_tp", "use_bidirectional_attention"}


def rope_of(draw, partial):
    theta = draw.choice([100.0, 10000.0, 1e6])
    kinds = [
        lambda: rope(theta),
        lambda: rope(theta, rope_type="linear", factor=draw.choice([2.0, 3.5])),
        lambda: llama3(theta, factor=draw.choice([4.0, 32.0]), original=draw.choice([8, 64])),
        lambda: yarn(theta, factor=draw.choice([2.0, 16.0]), original=draw.choice([16, 128]), beta_fast=draw.choice([32, 16])),
        lambda: rope(theta, rope_type="dynamic", factor=draw.choice([2.0, 4.0])),
    ]
    drawn = draw.choice(kinds)()
    return {**drawn, "partial_rotary_factor": draw.choice([0.25, 0.5, 1.0])} if partial else drawn


def value_of(draw, name, field, drawn):
    """A value for one key of the config class, or None where the key is best left out."""
    kind = str(field.type)
    layers = drawn["num_hidden_layers"]
    special = {
        "vocab_size": lambda: draw.choice([48, 61]),
        "intermediate_size": lambda: draw.choice([24, 40, 56]),
        "max_position_embeddings": lambda: draw.choice([24, 64, 256]),
        "hidden_act": lambda: draw.choice(ACTIVATIONS),
        "hidden_activation": lambda: draw.choice(ACTIVATIONS),
        "sliding_window": lambda: draw.choice([2, 4, 7, 30]),
        "no_rope_layers": lambda: draw.choice([None, [draw.choice([0, 1]) for _ in range(layers)]]),
        "no_rope_layer_interval": lambda: draw.choice([2, 3, 4]),
        "sliding_window_pattern": lambda: draw.choice([2, 3]),
        "max_window_layers": lambda: draw.choice([0, 1, 2]),
        "logit_scale": lambda: draw.choice([0.0625, 0.5, 1.5]),
        "final_logit_softcapping": lambda: draw.choice([None, 4.0, 30.0]),
        "query_pre_attn_scalar": lambda: draw.choice([8, 24, 256]),
    }
    if name in special:
        return special[name]()
    if name.endswith("_eps"):
        return draw.choice([1e-6, 1e-5, 1e-3])
    if "bool" in kind:
        return draw.choice([True, False])
    return None


def config_of(draw, family):
    heads = draw.choice([1, 2, 3, 4, 6])
    width = draw.choice([8, 10, 16])
    drawn = {
        "num_hidden_layers": draw.choice([1, 2, 3, 5]),
        "num_attention_heads": heads,
        "hidden_size": heads * width,
    }
    fields = family_fields(family)
    if "num_key_value_heads" in fields:
        drawn["num_key_value_heads"] = draw.choice([n for n in range(1, heads + 1) if heads % n == 0])
    others = experts_of(draw, fields, drawn["num_hidden_layers"]) | mixers_of(draw, family, drawn)
    drawn |= {key: value for key, value in others.items() if value is not None}
    if "num_attention_heads_per_layer" in fields:
        groups = drawn["num_key_value_heads"]
        drawn["num_attention_heads_per_layer"] = [groups * draw.choice([1, 2, 3]) for _ in range(drawn["num_hidden_layers"])]
    if "head_dim" in fields and draw.random() < 0.7:
        drawn["head_dim"] = draw.choice([2, 8, 12, 16, 20])
    for name, field in fields.items():
        if name in drawn or name in FIXED or name.endswith(("_token_id", "dropout", "_pdrop")):
            continue
        value = value_of(draw, name, field, drawn)
        if value is not None:
            drawn[name] = value
    partial = family.aliases.get("partial_rotary_factor") is not None
    if family.model_type in NESTED:
        drawn["rope_parameters"] = {kind: rope_of(draw, partial) for kind in ("full_attention", "sliding_attention")}
    else:
        drawn["rope_parameters"] = rope_of(draw, partial)
    if drawn["rope_parameters"].get("rope_type") == "dynamic":
        drawn["max_position_embeddings"] = draw.choice([16, 64])
    return {**drawn, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}


NESTED = {"gemma3_text", "gemma4_text", "olmo3", "laguna"}


def in_older_form(folder, draw):
    """Rewrites rope_parameters as transformers 4 wrote them, where one serves all layers."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    parameters = config.get("rope_parameters")
    if parameters is None or "rope_theta" not in parameters or draw.random() < 0.5:
        return
    del config["rope_parameters"]
    rest = {key: value for key, value in parameters.items() if key != "rope_theta"}
    config["rope_theta"] = parameters["rope_theta"]
    share = rest.pop("partial_rotary_factor", None)
    if share is not None:
        config["partial_rotary_factor"] = share
    config["rope_scaling"] = None if rest["rope_type"] == "default" else rest
    path.write_text(json.dumps(config))


@torch.no_grad()
def theirs(folder, ids):
    model, _ = load(folder, torch.float32)
    return model(input_ids=ids[None], use_cache=False).logits[0]


class Ours:
    """This project's answers, from one process for all folders."""

    def __init__(self):
        command = ["node", "--conditions=@qknorm/source", "--import", "tsx", "packages/models/test/logits-of-folders.ts"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def logits(self, folder, ids):
        """Logits [T, V] with what the loader warned of, or None with why it refused."""
        self.process.stdin.write(json.dumps({"model": str(folder), "ids": ids.tolist()}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "refused" in answer:
            return None, answer["refused"]
        return torch.tensor(answer["logits"]), "; ".join(answer["warnings"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(family, draw, folder, ours):
    for _ in range(20):
        config = config_of(draw, family)
        try:
            write_checkpoint(folder, family, Variant("drawn", config), build(family, Variant("drawn", config), draw.randrange(99)))
            in_older_form(folder, draw)
            tokens = draw.choice([count for count in TOKENS if count <= config["max_position_embeddings"]])
            ids = torch.tensor([draw.randrange(config["vocab_size"]) for _ in range(tokens)])
            expected = theirs(folder, ids)
            if expected.isfinite().all():
                break
        except Exception as error:  # transformers takes no such configuration
            refusal = error
    else:
        raise refusal
    logits, said = ours.logits(folder, ids)
    shown = {key: value for key, value in config.items() if not key.endswith("_token_id")}
    if logits is None:
        return None, f"refused: {said}\n    {shown}"
    apart = (logits - expected).abs().max().item() if logits.shape == expected.shape else float("inf")
    note = f" ({said})" if said else ""
    if apart <= BOUND:
        return apart, f"{apart:.1e}{note}" + (f"\n    {shown}" if said else "")
    return apart, f"{apart:.1e}{note}; {from_exact(folder, ids, logits, expected)}\n    {shown}"


def from_exact(folder, ids, logits, expected):
    """How far both are from float64: a model may magnify what float32 rounds, whoever rounds it."""
    try:
        exact = exactly(folder, ids)
    except RuntimeError as error:  # an operation that PyTorch lacks in float64
        return f"not computed in float64: {error}"
    ours, theirs = ((answer - exact).abs().max().item() for answer in (logits, expected))
    return f"{ours:.1e} from float64, and transformers {theirs:.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    wrong, ours = 0, Ours()
    for name in args.families:
        family = FAMILIES[name]
        assert not isinstance(family, StatedFamily), f"transformers has no {name}"
        for index in range(args.count):
            draw = random.Random(f"{name} {args.seed} {index}")
            with tempfile.TemporaryDirectory() as folder:
                apart, line = compare(family, draw, Path(folder), ours)
            wrong += apart is not None and not apart <= BOUND
            print(f"{name} {index}: {line}", flush=True)
    ours.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
