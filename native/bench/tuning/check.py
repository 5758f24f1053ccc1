"""Checks qk_norm.cu on a GPU against the f64 reference: specs, formats, head dims, layouts, configurations."""

import argparse
import itertools
import json
import os
from dataclasses import replace

from nvrtc import Compiled, compile_many
from qk_norm import BF16, BYTES, F16, F32, L2, LAYER, RMS, Config, Spec, leaves, macros
from variants import every_config

Job = tuple[Spec, Config, dict]


def specs() -> list[Job]:
    """Every kind, format, rounding, weight and bias at head dim 128, packed and in place."""
    jobs: list[Job] = []
    for dtype, kind, hf in itertools.product((F32, BF16, F16), (RMS, LAYER, L2), (False, True)):
        base = Spec(dtype=dtype, kind=kind, hf=hf)
        jobs.append((replace(base, weight=False), Config(), {}))
        jobs.append((replace(base, weight=False, bias=True, weight_dtype=dtype), Config(), {}))
        for weight_dtype, offset, bias in itertools.product({dtype, F32, BF16}, (0, 1), (False, True)):
            spec = replace(base, weight_dtype=weight_dtype, offset=offset, bias=bias)
            jobs.append((spec, Config(), {}))
            jobs.append((spec, Config(lanes=8, rows=2), {"per_head": True}))
    return jobs


def head_dims() -> list[Job]:
    """Head dims with every number of lanes that fits."""
    jobs: list[Job] = []
    dims = (8, 16, 24, 40, 64, 72, 80, 96, 112, 120, 160, 192, 256, 264, 512, 520, 1000, 1024)
    for dim, dtype, kind in itertools.product(dims, (F32, BF16, F16), (RMS, LAYER)):
        for lanes in (1, 2, 4, 8, 16, 32):
            held = -(-dim // 8 // lanes)
            if lanes <= leaves(dim) and held <= 8 // (1 + (dtype == F32)):
                spec = Spec(dim, dtype, kind=kind, bias=kind == LAYER, weight_dtype=dtype)
                jobs.append((spec, Config(lanes=lanes, rows=2 if held == 1 else 1), {"heads": (5, 1)}))
    return jobs


def layouts() -> list[Job]:
    """Alignments, gaps between heads, and results written elsewhere."""
    jobs: list[Job] = []
    for dtype, in_place, misalign in itertools.product((F32, BF16, F16), (True, False), (0, 4, 2, 1)):
        align = min(16, (misalign or 8) * BYTES[dtype])
        spec = Spec(dtype=dtype, in_place=in_place, align=align, weight_dtype=dtype)
        for config in (Config(), Config(lanes=4, rows=2), Config(loop=2, waves=1, rows=2)):
            stride = 128 + (misalign or 8)
            jobs.append((spec, config, {"misalign": misalign, "head_stride": stride}))
            jobs.append((spec, config, {"misalign": misalign, "head_stride": 256, "tokens": 1}))
    return jobs


def configs() -> list[Job]:
    """Every launch configuration, with few and many tokens."""
    jobs = [(Spec(), c, {"tokens": t, "heads": (32, 4)}) for c in every_config() for t in (1, 3, 2001)]
    return jobs + [(Spec(hf=True), c, {"tokens": 333, "heads": (64, 8)}) for c in every_config()]


def run_jobs(jobs: list[Job], kernels: dict, failures: list[str]) -> dict[str, float]:
    """Runs every job and compares; rows of equal input must also be equal bit for bit across configurations."""
    import torch

    from driver import Kernel, make_stream
    from launch import launch_case
    from reference import Case

    torch.cuda.init()
    torch.zeros(1, device="cuda")
    stream = make_stream()
    loaded: dict[tuple, Kernel] = {}
    bits: dict[tuple, torch.Tensor] = {}
    for index, (spec, config, options) in enumerate(jobs):
        options = dict(options)
        heads, tokens = options.pop("heads", (6, 2)), options.pop("tokens", 37)
        case = Case(spec, heads, tokens, seed=heads[0] * 7919 + tokens, **options)
        key = tuple(macros(spec, config).values())
        if key not in loaded:
            loaded[key] = Kernel(kernels[key].cubin, "qk_norm")
        torch.cuda.synchronize()
        launch_case(loaded[key], case, config, stream)()
        torch.cuda.synchronize()
        wrong = case.judge(case.expected())
        same = bits.setdefault((spec, heads, tokens, *options.items()), case.output.clone())
        if not wrong and not torch.equal(same.view(torch.uint8), case.output.view(torch.uint8)):
            wrong = "other bits than another configuration"
        if wrong:
            failures.append(f"{index} {spec} {config.name} {heads} x {tokens} {options}: {wrong}")
    return {"jobs": len(jobs), "kernels": len(loaded)}


def compile_jobs(jobs: list[Job], workers: int) -> dict[tuple, Compiled]:
    """Compiles each different kernel of the jobs once."""
    wanted = {tuple(m.values()): m for m in (macros(spec, config) for spec, config, _ in jobs)}
    done = compile_many([("qk_norm", m) for m in wanted.values()], workers)
    return dict(zip(wanted, done, strict=True))


def main() -> None:
    """Runs all checks; the exit status is 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="run only each n-th job (for the slow sanitizers)")
    parser.add_argument("--json", help="write the summary to this file")
    options = parser.parse_args()
    jobs = (specs() + head_dims() + layouts() + configs())[:: options.every]
    kernels = compile_jobs(jobs, options.workers)
    spills = [key for key, kernel in kernels.items() if kernel.spill_bytes]
    failures: list[str] = []
    summary = run_jobs(jobs, kernels, failures)
    summary["spilling"] = len(spills)
    summary["failures"] = len(failures)
    print("\n".join(failures[:25]))
    print("check:", summary)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({**summary, "first": failures[:200]}, file, indent=1)
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
