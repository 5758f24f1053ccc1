"""What brings a process from its quiet into its loaded state: one action per process, as some act only a while later.

    python3 launch_state.py all        # a process for each action, about 4 s each
"""

import ctypes
import subprocess
import sys
from collections.abc import Callable

from qk_norm import Config, Spec

ROW = (8, 1, 1)


def actions(bench: object) -> dict[str, Callable[[], object]]:
    """What a process may have done besides replaying graphs."""
    import torch

    from driver import Kernel
    from measure import PROBES
    from nvrtc import compile_kernel

    kept: list[object] = []

    def direct(name: str, *, load: bool = False, allocate: bool = False, pdl: bool = False) -> None:
        """Launches a probe outside of any graph, then waits for the stream alone."""
        kernel = Kernel(compile_kernel(PROBES, {}).cubin, f"probe_{name}") if load else bench.probe[name]
        words = torch.zeros(1 << 20, device="cuda", dtype=torch.int32) if allocate else bench.buffers.pool
        kept.extend([kernel, words])
        args = [] if name == "empty" else [ctypes.c_void_p(words.data_ptr())]
        kernel.prepare(1, 256, args, bench.stream, pdl)()
        bench.external.synchronize()

    def fork() -> None:
        """Lets the stream wait for another one."""
        other, event = torch.cuda.Stream(), torch.cuda.Event()
        with torch.cuda.stream(other):
            kept.append(torch.zeros(1 << 28, device="cuda", dtype=torch.int32))
            event.record()
        bench.external.wait_event(event)
        bench.launch("seed", ROW, 0)()
        torch.cuda.synchronize()

    def multiply() -> None:
        a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
        kept.append(a @ a)
        torch.cuda.synchronize()

    def whole_device() -> None:
        kept.append(torch.zeros(1 << 20, device="cuda"))
        torch.cuda.synchronize()
        bench.probe["empty"].prepare(1, 128, [], bench.stream, pdl=False)()
        torch.cuda.synchronize()

    return {
        "nothing": lambda: None,
        "allocation": lambda: kept.append(torch.zeros(1 << 20, device="cuda")),
        "matrix product": multiply,
        "direct launch": lambda: direct("empty"),
        "direct launch after an allocation": lambda: direct("empty", allocate=True),
        "direct launch of a new module": lambda: direct("local", load=True, allocate=True),
        "the same with PDL": lambda: direct("empty", allocate=True, pdl=True),
        "the same, waiting for the device": whole_device,
        "stream waits for another": fork,
    }


def measure(name: str) -> None:
    """Prints the seed's time in a row of graphs before and after an action."""
    from measure import Bench

    bench = Bench(Spec(), [Config()], False, 1, 512 << 20)

    def series(count: int) -> str:
        return " ".join(f"{bench.row('seed', ROW, 'w')['w']:.2f}" for _ in range(count))

    before = series(6)
    actions(bench)[name]()
    print(f"{name:34s} {before} | {series(16)}", flush=True)


def main() -> None:
    """One action, or each in a process of its own."""
    if sys.argv[1] != "all":
        return measure(sys.argv[1])
    for name in actions(None):
        subprocess.run([sys.executable, __file__, name], check=True)
    return None


if __name__ == "__main__":
    main()
