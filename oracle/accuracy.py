"""How many held-out sums checkpoints/qwen3-sums gets right when transformers runs it, greedily, on the CPU.

    python oracle/accuracy.py

Writes accuracy.json beside the weights: the prompts, the true sums and transformers' answers in both dtypes.
The TypeScript implementation is held to those answers. Prompts of one length run as one batch, so nothing is
padded.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from checkpoint import versions, write_record
from sums import held_out_pairs, prompt

ROOT = Path(__file__).resolve().parent.parent
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def load(folder, dtype):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
    rope_theta = json.loads(Path(folder, "config.json").read_text())["rope_theta"]
    assert model.config.rope_parameters["rope_theta"] == rope_theta, "transformers did not read rope_theta"
    return model


@torch.no_grad()
def answers(model, tokenizer, prompts):
    """Greedy answers, and the smallest lead of a chosen token's logit over the runner-up's."""
    by_length = defaultdict(list)
    for index, text in enumerate(prompts):
        by_length[len(text)].append(index)
    texts, lead = [""] * len(prompts), float("inf")
    for length, indices in by_length.items():
        ids = tokenizer([prompts[i] for i in indices], return_tensors="pt").input_ids  # [B, length]
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=8,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        new = out.sequences[:, length:]
        best = torch.stack(out.logits, 1).float().topk(2).values  # [B, steps, 2]
        # Past its end, an answer is padding that no logit chose.
        ended = (new == tokenizer.eos_token_id).cumsum(1)
        chosen = (ended - (new == tokenizer.eos_token_id).long()) == 0
        lead = min(lead, (best[..., 0] - best[..., 1])[chosen].min().item())
        for i, text in zip(indices, tokenizer.batch_decode(new, skip_special_tokens=True)):
            texts[i] = text
    return texts, round(lead, 3)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "qwen3-sums")
    folder = parser.parse_args().checkpoint
    training = json.loads((folder / "training.json").read_text())
    pairs = held_out_pairs(training["test_count"], training["test_seed"])
    prompts, expected = [prompt(a, b) for a, b in pairs], [str(a + b) for a, b in pairs]

    tokenizer = AutoTokenizer.from_pretrained(folder)
    given, accuracy, leads = {}, {}, {}
    for name, dtype in DTYPES.items():
        given[name], leads[name] = answers(load(folder, dtype), tokenizer, prompts)
        accuracy[name] = sum(x == y for x, y in zip(given[name], expected)) / len(expected)
        print(f"{name}: {accuracy[name]:.2%} of {len(expected)} right, smallest lead {leads[name]}")
    write_record(
        folder / "accuracy.json",
        {
            "prompts": prompts,
            "expected": expected,
            "transformers": given,
            "accuracy": accuracy,
            "smallest_lead": leads,
            "device": "cpu",
            "attn_implementation": "eager",
            "versions": versions(),
        },
    )
    write_record(folder / "training.json", {**training, "held_out_accuracy": accuracy})


if __name__ == "__main__":
    main()
