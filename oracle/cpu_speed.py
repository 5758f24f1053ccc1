"""Times decode and prefill of a random Qwen3-0.6B in bf16 on the CPU: here, by llama.cpp and by transformers, in turns.

    npm install --ignore-scripts --prefix FOLDER node-llama-cpp     # once; it brings llama.cpp compiled
    python -m oracle.cpu_speed --llama-cpp FOLDER [--rounds 4] [--threads 2] [--clock cpu] [--keep FOLDER] [--out FILE.json]

Makes the checkpoint, and the same weights as GGUF, starts one process for each engine, and asks them in turn, so that
whatever else the machine does reaches all of them; where it does much, --clock cpu --threads 1 counts processor time
instead, which nobody else uses up. Decode: 64 tokens after a prompt of 16 and 16 tokens to warm up; prefill: 512 tokens. Prints tokens per second, the median of the rounds, and the ratio of the same round, the median of
those too. Without --llama-cpp that engine is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from oracle.gguf import write_gguf

ROOT = Path(__file__).resolve().parents[1]
TYPESCRIPT = ["node", "--conditions=@qknorm/source", "--import", "tsx"]
DECODE = (16, 16)  # prompt, tokens before the clock starts
PREFILL = (512,)


def write_model(folder):
    """The shape of Qwen3-0.6B, as a checkpoint and as model.gguf beside it."""
    config = Qwen3Config(
        vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=4096, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, bos_token_id=None, eos_token_id=None,
    )
    torch.manual_seed(1)
    model = Qwen3ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    tensors = {name: t for name, t in model.state_dict().items() if name != "lm_head.weight"}
    write_gguf(Path(folder, "model.gguf"), config, tensors)


def prompt_ids(count):
    return [1 + i * 7919 % 50_000 for i in range(count)]


class Transformers:
    """An engine in this process."""

    def __init__(self, folder, threads, clock):
        torch.set_num_threads(threads)
        self.now = time.process_time if clock == "cpu" else time.perf_counter
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()

    @torch.inference_mode()
    def decode(self, prompt, warm, count):
        out = self.model(input_ids=torch.tensor([prompt_ids(prompt)]), use_cache=True, logits_to_keep=1)
        for i in range(warm + count):
            if i == warm:
                started = self.now()
            token = out.logits[:, -1:].argmax(-1)
            out = self.model(input_ids=token, past_key_values=out.past_key_values, use_cache=True)
        out.logits[:, -1:].argmax(-1).item()
        return count / (self.now() - started)

    @torch.inference_mode()
    def prefill(self, count):
        started = self.now()
        self.model(input_ids=torch.tensor([prompt_ids(count)]), use_cache=True, logits_to_keep=1)
        return count / (self.now() - started)


class Process:
    """An engine in a process of its own, which answers each line with one of JSON: packages/models/bench/turns.ts."""

    def __init__(self, command, threads, clock):
        environment = {**os.environ, "QKNORM_THREADS": str(threads), "TURNS_CLOCK": clock}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([*TYPESCRIPT, *command], cwd=ROOT, env=environment, text=True, **pipes)
        self.about = self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line[0] in '"0123456789':
                return json.loads(line)
        sys.exit(f"{self.process.args} ended")

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.answer()

    def decode(self, *sizes):
        return self.ask("decode", *sizes)

    def prefill(self, *sizes):
        return self.ask("prefill", *sizes)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(engines, rounds, tokens):
    """Rates by engine and kind, one of each a round; the first round only warms up."""
    rates = {name: {"decode": [], "prefill": []} for name in engines}
    for turn in range(rounds + 1):
        for kind, sizes in (("decode", (*DECODE, tokens)), ("prefill", PREFILL)):
            for name, engine in engines.items():
                rate = getattr(engine, kind)(*sizes)
                if turn > 0:
                    rates[name][kind].append(round(rate, 2))
    return rates


def summary(rates):
    """For each engine and kind: the median rate, and the median over rounds of our rate divided by its."""
    ours = rates["here"]
    return {
        name: {
            kind: {
                "tokensPerSecond": round(statistics.median(found), 1),
                "hereTimes": round(statistics.median(a / b for a, b in zip(ours[kind], found)), 2),
            }
            for kind, found in kinds.items()
        }
        for name, kinds in rates.items()
    }


def show(found):
    print(f"{'':14}{'decode':>10}{'here is':>12}{'prefill 512':>14}{'here is':>12}")
    for name, kinds in found.items():
        cells = (f"{k['tokensPerSecond']:8.1f} tok/s{k['hereTimes']:7.2f} times" for k in kinds.values())
        print(f"{name:14}" + "".join(cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", help="the folder that node-llama-cpp is installed in")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--tokens", type=int, default=64, help="timed in a decode")
    parser.add_argument("--keep", help="a folder for the model, which the next run finds there")
    parser.add_argument("--without-transformers", action="store_true")
    parser.add_argument("--out", help="a file for the result as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        if not (folder / "model.gguf").exists():
            write_model(folder)
        engines = {"here": Process(["packages/models/bench/turns.bench.ts", folder], args.threads, args.clock)}
        if args.llama_cpp:
            command = ["packages/models/bench/llama-cpp.bench.ts", folder / "model.gguf"]
            command += [Path(args.llama_cpp).resolve(), str(args.threads)]
            engines["llama.cpp"] = Process(command, args.threads, args.clock)
        if not args.without_transformers:
            engines["transformers"] = Transformers(folder, args.threads, args.clock)
        rates = measure(engines, args.rounds, args.tokens)
        for engine in engines.values():
            if isinstance(engine, Process):
                engine.close()
    found = summary(rates)
    show(found)
    if args.out:
        about = {"kernels": engines["here"].about, "threads": args.threads, "clock": args.clock, "torch": torch.__version__}
        Path(args.out).write_text(json.dumps({**about, "summary": found, "rounds": rates}, indent=2) + "\n")


if __name__ == "__main__":
    main()
