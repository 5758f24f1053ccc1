"""Runs every variant of a tiny Qwen3 folder with transformers and with this project, and compares.

    pip install torch==2.15.0 transformers==5.24.0 peft==0.21.2 accelerate==1.15.0
    python oracle/variants/compare.py                # prints a line for each, then the summary
    python oracle/variants/compare.py --only rope/   # some of them
    python oracle/variants/compare.py --out docs/checkpoints.json

transformers runs in float32 on the CPU with eager attention, this project through `npm run --silent logits`. Logits
have to agree within 1e-4 and greedy continuations in every token; what is refused has to end with one sentence that
names the key or tensor, within 2 s of processor time besides those of its start-up, and 500 MB.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import peft
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import adapters  # noqa: E402
import attention  # noqa: E402
import generation  # noqa: E402
import refusals  # noqa: E402
import sizes_and_files  # noqa: E402
from checkpoint import versions, write_record  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
BOUND = 1e-4
MODULES = [sizes_and_files, attention, adapters, generation, refusals]


@dataclass
class Result:
    name: str
    verdict: str  # "agrees", "refused", or what is wrong
    difference: float = 0.0
    message: str = ""
    megabytes: int = 0
    seconds: float = 0.0

    @property
    def good(self):
        return self.verdict in ("agrees", "refused")


@torch.no_grad()
def theirs(folder, ids, variant):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    prompt = torch.tensor([ids])
    logits = model(prompt).logits[0]
    if variant.generate == 0:
        return logits, None
    out = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=variant.generate
    )
    return logits, out[0, len(ids) :].tolist()


def ours(folder, ids, variant):
    """Exit code, stdout, stderr, seconds of processor time and peak MB of the command."""
    command = ["node", "scripts/logits.mjs", "--model", str(folder), "--dtype", "f32"]
    command += ["--ids", ",".join(map(str, ids))]
    if variant.generate > 0:
        command += ["--generate", str(variant.generate)]
    done = measured(command)
    lines = done.stderr.rstrip("\n").split("\n")
    *usage, kilobytes = lines.pop().split() if TIME else (0, 0, 0)
    seconds = sum(map(float, usage))
    return done.returncode, done.stdout, "\n".join(lines), seconds, int(kilobytes) // 1024


def measured(command):
    """Processor time, which other work on the machine does not lengthen, and memory are the last line of stderr."""
    timed = ["/usr/bin/env", "time", "-q", "-f", "%U %S %M", *command] if TIME else command
    return subprocess.run(timed, cwd=ROOT, capture_output=True, text=True)


TIME = shutil.which("time") is not None


def judge(variant, folder, ids, start_up):
    code, stdout, stderr, seconds, megabytes = ours(folder, ids, variant)
    result = Result(variant.name, "", message=stderr.strip(), seconds=seconds, megabytes=megabytes)
    if variant.refused is not None:
        sentences = [line for line in stderr.split("\n") if line and not line.startswith("warning: ")]
        fine = code == 1 and stdout == "" and len(sentences) == 1 and len(stderr) < 1200
        result.verdict = "refused" if fine and variant.refused in stderr else f"not refused by name (exit {code})"
        if fine and (seconds - start_up > 2 or megabytes > 500):
            result.verdict = f"refused after {seconds - start_up:.1f} s, {megabytes} MB"
        return result
    if code != 0:
        result.verdict = "refused here, but transformers runs it"
        return result
    report = json.loads(stdout)
    with LOCK:
        logits, generated = theirs(folder, ids, variant)
    result.difference = (torch.tensor(report["logits"]) - logits).abs().max().item()
    result.verdict = "agrees" if result.difference <= BOUND else "logits differ"
    if generated is not None and report["generated"] != generated:
        result.verdict = f"continues with {report['generated']}, not {generated}"
    return result


def summary(results):
    kinds = defaultdict(list)
    for result in results:
        kinds[result.name.split("/")[0]].append(result)
    rows = {}
    for kind, group in kinds.items():
        rows[kind] = {
            "variants": len(group),
            "agree": sum(r.verdict == "agrees" for r in group),
            "refused_by_name": sum(r.verdict == "refused" for r in group),
            "wrong": sum(not r.good for r in group),
            "largest_difference": float(f"{max(r.difference for r in group):.2g}"),
        }
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the beginning of the names")
    parser.add_argument("--out", type=Path, help="writes the summary with the versions")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    variants = [v for module in MODULES for v in module.variants() if v.name.startswith(args.only)]
    assert len({v.name for v in variants}) == len(variants), "two variants have one name"
    results = []
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(args.jobs) as pool:
        folders = [Path(scratch, str(n)) for n in range(len(variants))]
        ids = [variant.make(folder) for variant, folder in zip(variants, folders)]
        start_up = sum(map(float, measured(["node", "scripts/logits.mjs", "--help"]).stderr.split()[-3:-1])) if TIME else 0
        for result in pool.map(lambda v: judge(*v, start_up), zip(variants, folders, ids)):
            results.append(result)
            message = f"  {result.message}" if result.message and not result.verdict == "agrees" else ""
            print(f"{result.name}: {result.verdict}, {result.difference:.1e}{message}", flush=True)
    rows = summary(results)
    print(json.dumps(rows, indent=2))
    wrong = [result for result in results if not result.good]
    print(f"{len(results)} variants, {len(results) - len(wrong)} as they should be")
    if args.out is not None:
        write_record(args.out, {"versions": {**versions(), "peft": peft.__version__}, "bound": BOUND, "kinds": rows})
    sys.exit(len(wrong) > 0)


if __name__ == "__main__":
    import threading

    LOCK = threading.Lock()
    main()
