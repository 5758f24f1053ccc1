"""Logits of a model of a published shape with random weights, transformers' and this library's, on one machine.

Reads config.json's content of models as JSON on its input and takes the first one, writes it as a folder with bf16
weights, and runs the command of its arguments (`... logits.mjs`) on it: f32 logits are compared number by number, of
bf16 the likeliest token at each of 4,096 positions. A token counts as the same where its logit in transformers is
the largest too: logits of bf16 are often equal. Beside it, how often transformers' two kinds of attention agree with
each other in that sense. Then how long a process takes from its start to the first token.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

TEXTS, LENGTH, ROWS, STARTS = 8, 512, 64, 3
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def ask(command: list[str], *args: str) -> dict[str, float]:
    """The library's answer to one question."""
    done = subprocess.run([*command, *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def same_share(logits: list[torch.Tensor], tops: torch.Tensor) -> float:
    """Share of positions where a token of `tops [positions]` has the largest logit of its text's `[LENGTH, V]`."""
    same = 0
    for text, rows in enumerate(logits):
        chosen = tops[text * rows.shape[0] : (text + 1) * rows.shape[0]].to(rows.device).long()
        same += int((rows.gather(1, chosen[:, None])[:, 0] >= rows.max(dim=1).values).sum())
    return same / tops.numel()


def main() -> None:
    """One model."""
    name, content = next(iter(json.load(sys.stdin).items()))
    command = sys.argv[2:]
    config = Qwen3Config(**{key: value for key, value in content.items() if key != "torch_dtype"})
    torch.manual_seed(13)
    # Not `model.bfloat16()`, which would round RoPE's frequencies as well.
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(DEVICE):
        model = Qwen3ForCausalLM(config).eval()
    torch.set_default_dtype(torch.float32)
    ids = torch.randint(0, config.vocab_size, (TEXTS, LENGTH), device=DEVICE)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model.save_pretrained(folder)
        (folder / "ids.bin").write_bytes(ids.int().cpu().numpy().tobytes())
        of_texts = {}
        for kind in ("sdpa", "eager"):
            model.config._attn_implementation = kind
            of_texts[kind] = [model(input_ids=ids[text : text + 1]).logits[0] for text in range(TEXTS)]
        ask(command, place, "bf16")
        ours = torch.frombuffer(bytearray((folder / "top.bin").read_bytes()), dtype=torch.int32)
        eager_tops = torch.cat([rows.argmax(1) for rows in of_texts["eager"]])
        shares = {
            "sameTop": same_share(of_texts["sdpa"], ours),
            "sameTopAsEager": same_share(of_texts["eager"], ours),
            "eagerBesideSdpa": same_share(of_texts["sdpa"], eager_tops),
        }
        row = {"what": f"{name}, bf16, likeliest token", "positions": ours.numel()}
        found = [row | {key: round(share, 5) for key, share in shares.items()}]
        print(json.dumps({"logits": found}), flush=True)
        starts = sorted(ask(command, place, "first")["firstTokenMs"] for _ in range(STARTS))
        spread = {"median": starts[1], "least": starts[0], "most": starts[-1], "turns": STARTS}
        print(json.dumps({"firstToken": [{"model": name, "ms": spread}]}), flush=True)
        del model, of_texts
        wide = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).to(DEVICE).eval()
        exact = wide(input_ids=ids[:1]).logits[0, :ROWS].cpu()
        ask(command, place, "f32")
        text = torch.frombuffer(bytearray((folder / "logits.bin").read_bytes()), dtype=torch.float32)
        ours_exact = text.view(ROWS, config.vocab_size)
        found = [
            {
                **{"what": f"{name}, f32, logits", "positions": ROWS},
                "largestDifference": float(f"{float((ours_exact - exact).abs().max()):.3g}"),
                "largestLogit": float(f"{float(exact.abs().max()):.4g}"),
            }
        ]
        print(json.dumps({"logits": found}), flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()
