"""What a process ran earlier changes what a launch costs: this finds out what does it, by elimination."""

import ctypes
from collections.abc import Callable

from qk_norm import Config, Spec

CONFIGS = ("l16r1b64t1", "l16r1b128t1", "l16r1b256t1", "l16r1b256t2")


def main() -> None:
    """Prints microseconds per launch after each kind of kernel has run once."""
    from measure import PROBES, WARM_LAUNCHES, Bench
    from nvrtc import compile_kernel

    configs = [Config.parse(name) for name in CONFIGS]
    bench = Bench(Spec(), configs, False, 1, 512 << 20)
    import torch

    from driver import Kernel

    probes = compile_kernel(PROBES, {}).cubin
    words = torch.zeros(1024, device="cuda", dtype=torch.int32)
    address = [ctypes.c_void_p(words.data_ptr())]

    def probe(name: str) -> Callable[[], None]:
        return Kernel(probes, f"probe_{name}").prepare(1, 256, address, bench.stream, pdl=False)

    steps: list[tuple[str, Callable[[], object]]] = [
        ("nothing", lambda: None),
        ("shared memory", probe("shared")),
        ("torch fill", lambda: words.fill_(3)),
        ("local memory", probe("local")),
        ("torch sum", lambda: words.sum()),
        ("torch max, large", bench.flush),
    ]
    for name, step in steps:
        torch.cuda.synchronize()
        step()
        torch.cuda.synchronize()
        found = []
        for what in (*bench.baselines, *configs):
            for row in ((8, 1, 1), (4, 8, 1)):
                (us,) = bench.time([bench.launch(what, row, 0)] * WARM_LAUNCHES)
                found.append(f"{what if isinstance(what, str) else what.name} {us:.3f}")
        print(f"after {name}:", ", ".join(found), flush=True)


if __name__ == "__main__":
    main()
