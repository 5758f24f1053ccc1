"""Trains checkpoints/qwen3-sums: a Qwen3 of 2.7 million parameters that adds numbers of up to four digits.

    python oracle/train_sums.py --seconds 300

The model that runs forward and backward holds bfloat16 weights, exactly what the checkpoint will hold; AdamW
updates float32 masters, from which those weights are rounded after each step. So the loss that training
brings down is the loss of the file that is saved. The number of steps follows from the time allowed (the
speed of the first steps is measured) unless --steps sets it. On a GPU two runs of one seed differ in their
last bits, as the order of its additions does.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from checkpoint import build_model, versions, write_config, write_generation_config, write_record
from checkpoint import write_tokenizer, write_weights
from sums import IGNORE, LIMIT, encode, held_out_pairs, held_out_table, sample_pairs

ROOT = Path(__file__).resolve().parent.parent
WARM_UP_STEPS, TIMED_STEPS = 20, 200


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "checkpoints" / "qwen3-sums")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test-seed", type=int, default=20261, help="seed of the held-out prompts")
    parser.add_argument("--test-count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=300, help="time to train for")
    parser.add_argument(
        "--steps", type=int, default=None, help="train for so many steps, however long they take"
    )
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--carries", type=float, default=0.25, help="share of sums with long carries")
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--decay", type=float, default=0.05, help="weight decay of the matrices")
    parser.add_argument("--clip", type=float, default=1.0, help="longest gradient")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    return parser.parse_args()


def learning_rate(step, steps, peak, warm_up=500):
    """Linear warm-up, then a cosine to zero."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm_up) / max(1, steps - warm_up))))


class Trainer:
    def __init__(self, args):
        self.args = args
        torch.manual_seed(args.seed)
        self.model = build_model(args.out).to(args.device)
        # The weights alone: the rotary frequencies are buffers and stay float32.
        self.weights = list(self.model.parameters())
        self.masters = [w.detach().clone() for w in self.weights]
        for weight in self.weights:
            weight.data = weight.data.bfloat16()
        matrices = [m for m in self.masters if m.dim() > 1]
        vectors = [m for m in self.masters if m.dim() == 1]
        groups = [{"params": matrices, "weight_decay": args.decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)
        self.generator = torch.Generator(args.device).manual_seed(args.seed)
        pairs = held_out_pairs(args.test_count, args.test_seed)
        self.table = held_out_table(pairs, args.device)
        self.test = encode(*torch.tensor(pairs, device=args.device).T)
        self.loss = torch.compile(self.eager_loss) if args.compile else self.eager_loss

    def eager_loss(self, ids, labels):
        logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        return F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORE)

    def step(self, rate):
        """One update; returns the batch's loss as a tensor, without waiting for it."""
        a, b = sample_pairs(self.args.batch, self.args.carries, self.generator)
        ids, labels = encode(a, b)
        labels = labels.masked_fill(self.table[a * LIMIT + b][:, None], IGNORE)
        loss = self.loss(ids, labels)
        loss.backward()
        for master, weight in zip(self.masters, self.weights):
            master.grad = weight.grad.float()
            weight.grad = None
        torch.nn.utils.clip_grad_norm_(self.masters, self.args.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_([w.data for w in self.weights], self.masters)
        return loss.detach()

    @torch.no_grad()
    def accuracy(self):
        """Share of held-out sums whose every token is the likeliest: what greedy decoding would get right."""
        ids, labels = self.test
        guesses = self.model(input_ids=ids, use_cache=False).logits[:, :-1].argmax(-1)
        right = (guesses == labels[:, 1:]) | (labels[:, 1:] == IGNORE)
        return right.all(1).double().mean().item()

    def synchronize(self):
        if self.args.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def train(trainer, args):
    """Runs the schedule; returns its steps, the curve [[step, mean loss since the last]] and the seconds."""
    steps, every = args.steps or 10**9, 100
    began = timed_from = trainer.synchronize()
    curve, losses, step = [], [], 0
    while step < steps:
        losses.append(trainer.step(learning_rate(step, steps, args.peak)))
        step += 1
        if step == WARM_UP_STEPS:
            timed_from = trainer.synchronize()
        if step == WARM_UP_STEPS + TIMED_STEPS and args.steps is None:
            now = trainer.synchronize()
            steps = step + int((args.seconds - (now - began)) * TIMED_STEPS / (now - timed_from))
            print(f"{TIMED_STEPS / (now - timed_from):.1f} steps/s, so {steps} steps", flush=True)
        if steps < 10**9:
            every = max(1, steps // 100)
        if step == steps or (step % every == 0 and len(losses) >= every):
            mean = torch.stack(losses).mean().item()
            curve.append([step, float(f"{mean:.4g}")])
            losses = []
            report = f"held-out {trainer.accuracy():.4f}" if len(curve) % 5 == 0 or step == steps else ""
            print(f"{time.perf_counter() - began:.0f} s, step {step}: loss {mean:.3g} {report}", flush=True)
    return steps, curve, trainer.synchronize() - began


def main():
    args = arguments()
    torch.set_float32_matmul_precision("high")
    write_config(args.out)
    write_tokenizer(args.out)
    write_generation_config(args.out)
    trainer = Trainer(args)
    steps, curve, seconds = train(trainer, args)
    # lm_head.weight is the embedding; a tied checkpoint is published without it.
    tensors = {name: w.detach().contiguous().cpu() for name, w in trainer.model.named_parameters()}
    write_weights(args.out, tensors)
    is_gpu = args.device == "cuda"
    settings = ("seed", "test_seed", "test_count", "batch", "carries", "peak", "decay", "clip", "compile")
    write_record(
        args.out / "training.json",
        {
            **{name: getattr(args, name) for name in settings},
            "steps": steps,
            "seconds": round(seconds, 1),
            "device": torch.cuda.get_device_name() if is_gpu else "cpu",
            "parameters": sum(w.numel() for w in trainer.weights),
            "final_loss": curve[-1][1],
            "held_out_accuracy": {"bfloat16": trainer.accuracy()},
            "versions": versions(),
            "loss_curve": curve,
        },
    )
    for name, weight in tensors.items():
        if "q_norm" in name or "k_norm" in name:
            print(f"{name}: {weight.min().item():.3f} .. {weight.max().item():.3f}")


if __name__ == "__main__":
    main()
