"""Logits of transformers' Qwen3 on the CPU, for the TypeScript forward pass to be held to.

    python oracle/golden.py

Writes packages/models/golden/: the logits of the trained checkpoint, and two tiny random checkpoints with
theirs. Those two are laid out in the two ways that published ones are: tied, one bfloat16 file that repeats
the embedding as lm_head.weight; and untied, float32, in two shards with an index. A golden file holds, for
each sequence n, `ids_n` I32 [T], `logits_f32_n` F32 [T, V] (the model in float32) and `logits_bf16_n` F32
[T, V] (the model in bfloat16, its logits widened). The JSON beside it says what was asked, and of which
versions.
"""

import argparse
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from accuracy import load
from checkpoint import build_model, versions, write_config, write_json, write_record, write_weights

ROOT = Path(__file__).resolve().parent.parent
SUMS = [(127, 456), (0, 0), (7, 8), (999, 1), (9999, 9999), (4, 3821), (5683, 4317), (60, 940)]
LENGTHS = [5, 33, 64]
TIED = dict(
    vocab_size=264,
    hidden_size=48,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
    rope_theta=1000000,
    rms_norm_eps=1e-6,
)
UNTIED = dict(
    vocab_size=128,
    hidden_size=16,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=2,
    head_dim=96,
    rope_theta=10000,
    rms_norm_eps=1e-5,
    bos_token_id=None,
    eos_token_id=127,
    tie_word_embeddings=False,
    torch_dtype="float32",
)


@torch.no_grad()
def write_golden(folder, sequences, stem, **about):
    """Runs the checkpoint in `folder` in both dtypes; writes <stem>.safetensors and <stem>.json."""
    tensors = {f"ids_{n}": ids.to(torch.int32) for n, ids in enumerate(sequences)}
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        model = load(folder, dtype)
        for n, ids in enumerate(sequences):
            tensors[f"logits_{name}_{n}"] = model(input_ids=ids[None].long()).logits[0].float()
    save_file(tensors, stem.with_suffix(".safetensors"))
    stem.with_suffix(".safetensors").chmod(0o644)
    distance = [
        (tensors[f"logits_bf16_{n}"] - tensors[f"logits_f32_{n}"]).norm() / tensors[f"logits_f32_{n}"].norm()
        for n in range(len(sequences))
    ]
    spread = torch.cat([tensors[f"logits_f32_{n}"].flatten() for n in range(len(sequences))]).std()
    write_record(
        stem.with_suffix(".json"),
        {
            **about,
            "lengths": [len(ids) for ids in sequences],
            "logits_std_f32": round(spread.item(), 3),
            "relative_distance_bf16_f32": [float(f"{d:.3g}") for d in distance],
            "device": "cpu",
            "attn_implementation": "eager",
            "versions": versions(),
        },
    )
    print(f"{stem}: logits std {spread:.2f}, bf16 to f32 {max(distance):.2e}")


def sums_golden(checkpoint, out):
    """The trained model on prompts with their answers, after which it expects the end of text."""
    prompts = [f"{a}+{b}={a + b}" for a, b in SUMS]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    sequences = [tokenizer(text, return_tensors="pt").input_ids[0] for text in prompts]
    write_golden(
        checkpoint, sequences, out / "qwen3-sums", checkpoint="checkpoints/qwen3-sums", prompts=prompts
    )


def random_weights(folder, eps, seed):
    """Random weights that let every part be heard.

    Matrices keep the variance of what they multiply, so attention and MLP outweigh the embedding in the
    residual stream; norm weights lie in 0.5..1.5; the logits get a standard deviation near 2. What enters a
    norm first, the queries, the keys and an untied embedding, has a mean square of 16 eps, so that a wrong
    eps is heard too.
    """
    generator = torch.Generator().manual_seed(seed)
    model = build_model(folder)
    tied = model.config.tie_word_embeddings

    def deviation(name, fan_in):
        if name == "lm_head.weight" or (tied and "embed_tokens" in name):
            return 2 / math.sqrt(fan_in)
        if "embed_tokens" in name:
            return 4 * math.sqrt(eps)
        return (4 * math.sqrt(eps) if "q_proj" in name or "k_proj" in name else 1) / math.sqrt(fan_in)

    state = {}
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            state[name] = 0.5 + torch.rand(weight.shape, generator=generator)
        else:
            state[name] = torch.randn(weight.shape, generator=generator) * deviation(name, weight.shape[1])
    return state


def random_sequences(vocabulary, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(vocabulary, (length,), generator=generator) for length in LENGTHS]


def tiny_tied(out, seed):
    folder = out / "tiny-tied"
    write_config(folder, **TIED)
    state = {
        name: weight.bfloat16() for name, weight in random_weights(folder, TIED["rms_norm_eps"], seed).items()
    }
    state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()
    write_weights(folder, state)
    write_golden(folder, random_sequences(TIED["vocab_size"], seed), folder / "golden", seed=seed)


def tiny_untied(out, seed):
    folder = out / "tiny-untied"
    write_config(folder, **UNTIED)
    state = random_weights(folder, UNTIED["rms_norm_eps"], seed)
    first = {name for name in state if "embed_tokens" in name or ".layers.0." in name}
    files = {True: "model-00001-of-00002.safetensors", False: "model-00002-of-00002.safetensors"}
    for is_first, file in files.items():
        write_weights(folder, {name: w for name, w in state.items() if (name in first) == is_first}, file)
    write_json(
        folder / "model.safetensors.index.json",
        {
            "metadata": {"total_size": sum(w.nbytes for w in state.values())},
            "weight_map": {name: files[name in first] for name in sorted(state)},
        },
    )
    write_golden(folder, random_sequences(UNTIED["vocab_size"], seed), folder / "golden", seed=seed)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "qwen3-sums")
    parser.add_argument("--out", type=Path, default=ROOT / "packages" / "models" / "golden")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    sums_golden(args.checkpoint, args.out)
    tiny_tied(args.out, args.seed)
    tiny_untied(args.out, args.seed + 1)


if __name__ == "__main__":
    main()
