"""Compiles every kernel variant with NVRTC, without a GPU: no spills, no stack, 16-byte accesses where aligned."""

import argparse
import collections

from check import Job, configs, head_dims, layouts, specs
from nvrtc import Compiled, compile_many
from qk_norm import BF16, BYTES, F16, F32, L2, LAYER, RMS, macros

Named = tuple[str, dict[str, int]]


def fused(jobs: list[Job]) -> list[Named]:
    """Each different qk_norm.cu of the jobs once."""
    wanted = {tuple(m.values()): m for m in (macros(spec, config) for spec, config, _ in jobs)}
    return [("qk_norm", m) for m in wanted.values()]


def others() -> list[Named]:
    """The baselines and the plain norm."""
    seeds = [
        {"QK_HEAD_DIM": dim, "QK_DTYPE": dtype, "QK_WEIGHT_EARLY": early}
        for dim in (64, 128, 256)
        for dtype in (BF16, F16)
        for early in (0, 1)
    ]
    plain = [
        {
            "QK_DTYPE": dtype, "QK_WEIGHT": weight, "QK_WEIGHT_DTYPE": weight_dtype, "QK_OFFSET": offset, "QK_HF": hf,
            "QK_BIAS": bias, "QK_KIND": kind, "QK_IN_PLACE": 1, "QK_TAIL": tail,
            "QK_ALIGN": 16, "QK_WEIGHT_ALIGN": 16,
        }
        for kind, bias, tail in ((RMS, 0, 0), (LAYER, 1, 0), (L2, 0, 5))
        for dtype in (F32, BF16, F16)
        for weight in (0, 1)
        for weight_dtype in {dtype, F32}
        for offset in (0, 1)
        for hf in (0, 1)
    ]
    return [("seed_design", m) for m in seeds] + [("row_norm", m) for m in plain]


def complaint(job: Named, kernel: Compiled) -> str:
    """What is wrong with a compiled kernel, or an empty string."""
    name, wanted = job
    if kernel.spill_bytes or kernel.stack_bytes:
        return f"{kernel.spill_bytes} bytes spilled, {kernel.stack_bytes} bytes of stack"
    if name == "qk_norm" and wanted["QK_ALIGN"] == 16:
        chunks = wanted["QK_HEAD_DIM"] // 8
        held = -(-chunks // wanted["QK_LANES"])
        stores = held * wanted["QK_ROWS"] * BYTES[wanted["QK_DTYPE"]] // 2
        if kernel.ptx.count("st.global.v4.u32") < stores or "st.global.u" in kernel.ptx:
            return "stores are not 16 bytes wide"
        if any(f"ld.global.{narrow}" in kernel.ptx for narrow in ("u32", "u16", "v2")):
            return "loads are not 16 bytes wide"
    return ""


def main() -> None:
    """Prints a summary; the exit status is 1 if a variant fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--arch", default="sm_90a")
    options = parser.parse_args()
    jobs = fused(specs() + head_dims() + layouts() + configs()) + others()
    kernels = compile_many(jobs, options.workers, options.arch)
    failed = 0
    for job, kernel in zip(jobs, kernels, strict=True):
        wrong = complaint(job, kernel)
        if wrong:
            failed += 1
            print(job, wrong)
    registers = collections.Counter((kernel.registers + 7) // 8 * 8 for kernel in kernels)
    print(f"{len(jobs)} variants for {options.arch}, {failed} refused")
    print("registers:", ", ".join(f"{r}: {n}" for r, n in sorted(registers.items())))
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
