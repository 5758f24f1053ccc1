"""Decodes with a random Qwen3-MoE of middle size, by transformers and by this project in turns, and compares.

    python -m oracle.moe_decode [--dtype bf16] [--threads 2] [--rounds 3] [--layers 6]

Prints tokens per second of both, the best of the rounds, and their ratio. Both decode greedily after the same prompt,
with the same number of threads, on a checkpoint that is made for the occasion: layers of 64 experts, 8 a token, of
which a step reads an eighth.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

ROOT = Path(__file__).resolve().parents[1]
PROMPT = 16
TOKENS = 24
DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def write_model(folder, layers):
    config = Qwen3MoeConfig(
        vocab_size=8192, hidden_size=1024, intermediate_size=3072, num_hidden_layers=layers, num_attention_heads=16,
        num_key_value_heads=4, head_dim=64, moe_intermediate_size=384, num_experts=64, num_experts_per_tok=8,
        norm_topk_prob=True, max_position_embeddings=512, bos_token_id=None, eos_token_id=None,
    )
    torch.manual_seed(1)
    Qwen3MoeForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


@torch.no_grad()
def theirs(model):
    ids = torch.arange(1, PROMPT + 1)[None]
    out = model(input_ids=ids, use_cache=True)
    started, said = time.perf_counter(), []
    for _ in range(TOKENS):
        token = out.logits[:, -1:].argmax(-1)
        said.append(token.item())
        out = model(input_ids=token, cache=out.past_key_values, use_cache=True)
    out.logits[:, -1:].argmax(-1).item()
    return TOKENS / (time.perf_counter() - started), said


def ours(folder, dtype, threads):
    command = ["node", "--conditions=@qknorm/source", "--import", "tsx", "packages/models/bench/decode.bench.ts"]
    command += [str(folder), "--dtype", dtype, "--prompt", str(PROMPT), "--tokens", str(TOKENS), "--runs", "2"]
    environment = {**os.environ, "QKNORM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=True)
    said = json.loads(done.stdout)
    return said["tokensPerSecond"], said["ids"], said["kernels"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder, args.layers)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[args.dtype], attn_implementation="eager")
        model.eval()
        rates = {"theirs": [], "ours": []}
        for _ in range(args.rounds):
            for _ in range(2):
                rate, said = theirs(model)
                rates["theirs"].append(rate)
            rate, ids, kernels = ours(folder, args.dtype, args.threads)
            rates["ours"].append(rate)
        same = sum(a == b for a, b in zip(said, ids))
    best = {name: max(found) for name, found in rates.items()}
    print(f"{args.dtype}, {args.threads} threads, {kernels}")
    print(f"transformers {best['theirs']:.1f} tokens/s, here {best['ours']:.1f}: {best['ours'] / best['theirs']:.2f} times")
    print(f"rounds: transformers {[round(r, 1) for r in rates['theirs']]}, here {[round(r, 1) for r in rates['ours']]}")
    print(f"{same} of {TOKENS} tokens are the same")


if __name__ == "__main__":
    main()
