"""Times cache hints on the loads and stores of qk_norm.cu, by rewriting its text, against what in-place traffic costs.

None of them has won so far (native/bench/NOTES.md); this keeps the question answerable.
"""

import statistics

import nvrtc
from qk_norm import Config, Spec, macros

WIDE_LOAD, WIDE_STORE = "ld.global.v4.u32", "st.global.v4.u32"
HINTS = {
    "plain": (WIDE_LOAD, WIDE_STORE),
    "no_allocate": ("ld.global.L1::no_allocate.v4.u32", WIDE_STORE),
    "L2_256B": ("ld.global.L2::256B.v4.u32", WIDE_STORE),
    "streaming_store": (WIDE_LOAD, "st.global.cs.v4.u32"),
    "streaming_both": ("ld.global.cs.v4.u32", "st.global.cs.v4.u32"),
    "L2_only_load": ("ld.global.cg.v4.u32", WIDE_STORE),
    "relaxed_load": ("ld.relaxed.gpu.global.v4.u32", WIDE_STORE),
}
ROWS = ((8, 8, 1), (4, 8, 16), (8, 8, 128), (8, 8, 512), (8, 8, 2048), (8, 8, 8192))
CONFIGS = ("l16r1b128t1", "l16r2b128t2")


def main() -> None:
    """Prints microseconds per launch, warm."""
    original = nvrtc.source
    cubins = {}
    for hint, (load, store) in HINTS.items():
        nvrtc.source = lambda kernel, a=load, b=store: original(kernel).replace(WIDE_LOAD, a).replace(WIDE_STORE, b)
        for name in CONFIGS:
            cubins[hint, name] = nvrtc.compile_kernel("qk_norm", macros(Spec(), Config.parse(name))).cubin
    nvrtc.source = original

    from driver import Kernel
    from measure import WARM_LAUNCHES, Bench

    configs = [Config.parse(name) for name in CONFIGS]
    bench = Bench(Spec(), configs, False, 1, 8192 * 72 * 256 + (4 << 20))
    for row in ROWS:
        for config in configs:
            found = []
            for hint in HINTS:
                bench.fused[config] = Kernel(cubins[hint, config.name], "qk_norm")
                launches = [bench.launch(config, row, 0)] * WARM_LAUNCHES
                found.append(f"{hint} {statistics.median(bench.time(launches)[0] for _ in range(3)):.3f}")
            print(f"{row[0] * row[1]}/{row[1]} x {row[2]} {config.name}: {', '.join(found)}")


if __name__ == "__main__":
    main()
