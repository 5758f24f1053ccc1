"""Times launch configurations, the two baselines and the device copy over the grid of the seed's table.

Warm: 100 launches over one set of q and k in one CUDA graph. Cold: 64 launches over 64 sets that lie at least 4 MiB
apart, so that together they span several times the L2; "flushed" is the same graph after a pass that reads 512 MiB,
so that no byte of a small set is in the L2 either. The figure is the median over replays, per launch, in microseconds.
"""

import argparse
import datetime
import json
import os
from collections.abc import Callable

from nvrtc import compile_kernel, compile_many
from qk_norm import BF16, F16, Config, Spec, leaves, macros, row_macros
from variants import broad, final, focused, from_table, latest, odd, scaled

WARM_LAUNCHES, COLD_LAUNCHES = 100, 64
COLD_SPACING = 4 << 20
TOKENS = tuple(1 << n for n in range(14))
BASELINES = {"seed": 0, "mid2026": 1}
PROBES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probes.cu")


def grid() -> list[tuple[int, int, int]]:
    """(query heads per kv head, kv heads, tokens): the 112 rows of the seed's table."""
    return [(gqa, kv, tokens) for gqa in (4, 8) for kv in (1, 2, 4, 8) for tokens in TOKENS]


def distinct(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """One row for each amount of work, the one with the most heads: rows of equal work time alike."""
    return list({(gqa + 1) * kv * tokens: (gqa, kv, tokens) for gqa, kv, tokens in rows}.values())


def worth(config: Config, heads: int, tokens: int) -> bool:
    """Leaves out what cannot win: rows in flight that do not exist, persistence without a second trip."""
    if config.rows > 1 and tokens < 2 * config.rows:
        return False
    slots = config.waves * 132 * config.block // config.lanes * config.rows
    return not config.loop or heads * tokens > slots


def replays_for(microseconds: float) -> int:
    """Enough replays of a graph for a median, fewer of long ones."""
    return max(5, min(21, int(8000 / microseconds)))


class Bench:
    """Everything that is measured, compiled and loaded."""

    def __init__(self, spec: Spec, configs: list[Config], packed: bool, workers: int, sets_bytes: int) -> None:
        wanted = {tuple(m.values()): m for m in (macros(spec, c) for c in configs)}
        done = compile_many([("qk_norm", m) for m in wanted.values()], workers)
        cubins = dict(zip(wanted, done, strict=True))
        import torch

        from driver import Kernel, Timer, make_stream
        from launch import Buffers
        from reference import TORCH

        torch.zeros(1, device="cuda")
        self.spec, self.stream = spec, make_stream()
        loaded = {key: Kernel(compiled.cubin, "qk_norm") for key, compiled in cubins.items()}
        self.fused = {c: loaded[tuple(macros(spec, c).values())] for c in configs}
        self.baselines = {}
        if spec.head_dim % 64 == 0:
            for name, early in BASELINES.items():
                m = {"QK_HEAD_DIM": spec.head_dim, "QK_DTYPE": spec.dtype, "QK_WEIGHT_EARLY": early}
                self.baselines[name] = Kernel(compile_kernel("seed_design", m).cubin, "seed_design")
        self.baselines["twoNorms"] = Kernel(compile_kernel("row_norm", row_macros(spec)).cubin, "row_norm")
        probes = compile_kernel(PROBES, {}).cubin
        self.probe = {n: Kernel(probes, f"probe_{n}") for n in ("empty", "wait", "touch", "hold")}
        self.timer = Timer(self.probe["hold"], self.stream)
        self.external = torch.cuda.ExternalStream(self.stream.value)
        pool = torch.empty(sets_bytes // 2, device="cuda", dtype=TORCH[spec.dtype])
        for part in pool.split(1 << 28):
            part.normal_()
        weights = (1 + 0.01 * torch.randn(2, spec.head_dim, device="cuda")).to(TORCH[spec.dtype])
        self.buffers = Buffers(spec, pool, weights, packed)
        self._flush = torch.ones(1 << 27, device="cuda", dtype=torch.int32)
        self._kept: list[torch.Tensor] = []
        torch.cuda.synchronize()

    def flush(self) -> None:
        """Fills the L2 with clean lines of other memory."""
        import torch

        with torch.cuda.stream(self.external):
            self._flush.max()

    def load_state(self, attempts: int = 12) -> bool:
        """Brings the process into the slower of its two states (native/bench/NOTES.md); says whether it is there."""
        import torch

        for _ in range(attempts):
            self._kept.append(torch.zeros(1 << 20, device="cuda"))
            self.probe["empty"].prepare(1, 128, [], self.stream, pdl=False)()
            torch.cuda.current_stream().synchronize()
            self.external.synchronize()
            times = [self.row("seed", (8, 1, 1), "w")["w"] for _ in range(5)]
            if times[-1] > 1.1 * times[0]:
                return True
        return False

    def launch(self, what: str | Config, row: tuple[int, int, int], offset: int) -> Callable[[], None]:
        """A launch of a baseline or a configuration over the set at `offset`."""
        from launch import fused_launch, seed_launch, two_norms_launch

        gqa, kv, tokens = row
        sides = self.buffers.sides(gqa * kv, kv, tokens, offset)
        if what == "twoNorms":
            return two_norms_launch(self.baselines[what], sides, self.spec.head_dim // 8, tokens, self.stream)
        if isinstance(what, str):
            return seed_launch(self.baselines[what], sides, tokens, self.stream)
        return fused_launch(self.fused[what], self.spec, what, sides, tokens, self.stream)

    def time(self, launches: list[Callable[[], None]], flushed: bool = False) -> list[float]:
        """Median microseconds per launch, then the same with the L2 flushed if asked."""
        from driver import Graph

        graph = Graph(launches, self.stream)
        guess = self.timer.microseconds(graph, 2, hold_us=150)[1]
        count = replays_for(guess)
        found = [self.timer.median(graph, count) / len(launches)]
        if flushed:
            found.append(self.timer.median(graph, max(5, count // 2), self.flush) / len(launches))
        graph.close()
        return found

    def row(self, what: str | Config, row: tuple[int, int, int], modes: str) -> dict[str, float]:
        """All modes of one row: w(arm), c(old), f(lushed)."""
        gqa, kv, tokens = row
        result = {}
        if "w" in modes:
            (result["w"],) = self.time([self.launch(what, row, 0)] * WARM_LAUNCHES)
        if "c" in modes:
            spacing = -(-self.buffers.set_bytes(gqa * kv, kv, tokens) // COLD_SPACING) * COLD_SPACING
            launches = [self.launch(what, row, i * spacing) for i in range(COLD_LAUNCHES)]
            result.update(zip("cf", self.time(launches, "f" in modes), strict=False))
        return result


def floors(bench: Bench) -> dict[str, float]:
    """Empty launches, memory traffic without a reduction, and the copy rate in TB/s (read + written)."""
    import ctypes

    import torch

    from driver import call

    found: dict[str, float] = {}
    for name, pdl in (("empty", True), ("empty", False), ("wait", True)):
        launch = bench.probe[name].prepare(1, 128, [], bench.stream, pdl)
        (found[f"{name}{'' if pdl else '_without_pdl'}"],) = bench.time([launch] * WARM_LAUNCHES)
    pool_threads = bench.buffers.pool.numel() // 8
    for threads in (128, 1024, 4096, 65536, 147456, 589824, 9437184):
        for block in (128, 512) if threads <= pool_threads else ():
            args = [ctypes.c_void_p(bench.buffers.pool.data_ptr()), ctypes.c_uint(threads)]
            launch = bench.probe["touch"].prepare(-(-threads // block), block, args, bench.stream)
            (found[f"touch_{threads}x16_block_{block}"],) = bench.time([launch] * WARM_LAUNCHES)
    # As the fused kernel moves 8192 tokens of 64 / 8 heads: the same bytes, a hundred times in a graph.
    source = torch.ones(1 << 32, device="cuda", dtype=torch.uint8)
    target = torch.ones_like(source)
    size = 8192 * 72 * 128 * 2
    arguments = [ctypes.c_void_p(t.data_ptr()) for t in (target, source)]

    def copy() -> None:
        call("cuMemcpyDtoDAsync_v2", *arguments, ctypes.c_size_t(size), bench.stream)

    (us,) = bench.time([copy] * WARM_LAUNCHES)
    found["copy_same_size_TBs"] = 2 * size / us / 1e6
    times = []
    for _ in range(12):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        target.copy_(source)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    found["copy_4GiB_TBs"] = 2 * source.numel() / sorted(times)[len(times) // 2] / 1e9
    return found


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", required=True)
    parser.add_argument("--configs", default="focused", help="a list of variants.py, table, or names with commas")
    parser.add_argument("--table-of", default="NVIDIA H200", help="the device whose table `--configs table` takes")
    parser.add_argument("--modes", default="wcf", help="w: warm, c: cold, f: flushed (with c)")
    parser.add_argument("--tokens", type=int, nargs="*", default=TOKENS, help="only these rows of the grid")
    parser.add_argument("--distinct", action="store_true", help="one row for each amount of work")
    parser.add_argument("--loaded", action="store_true", help="in the slower of a process's two states")
    parser.add_argument("--passes", type=int, default=1, help="whole rounds; the median of the rounds is kept")
    parser.add_argument("--head-dim", type=int, default=128)
    parser.add_argument("--dtype", choices=("bf16", "f16"), default="bf16")
    parser.add_argument("--fused-only", action="store_true", help="leave the slow two-norm fallback out")
    parser.add_argument("--packed", action="store_true", help="q and k as slices of packed QKV rows")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=400, help="stop after a whole round beyond this time")
    return parser.parse_args()


def main() -> None:
    """Measures and writes JSON: medians per row and variant."""
    options = parse()
    lists = {"broad": broad, "focused": focused, "final": final, "latest": latest, "odd": odd}
    named = options.configs
    rows = [row for row in grid() if row[2] in options.tokens]
    if options.distinct:
        rows = distinct(rows)
    if named == "table":
        configs = from_table(options.table_of, options.head_dim, rows)
    else:
        configs = lists[named]() if named in lists else [Config.parse(name) for name in named.split(",")]
    if named not in ("odd", "table"):
        configs = scaled(configs, options.head_dim)
    # More than 8 chunks in a lane, twice over with two rows, would not fit its registers.
    chunks = options.head_dim // 8
    configs = [c for c in configs if c.lanes <= leaves(options.head_dim) and -(-chunks // c.lanes) * c.rows <= 8]
    spec = Spec(head_dim=options.head_dim, dtype=BF16 if options.dtype == "bf16" else F16)
    spec = Spec(**{**spec.__dict__, "weight_dtype": spec.dtype})
    largest = 8192 * (64 + 8 * (2 if options.packed else 1)) * spec.head_dim * 2
    begin = datetime.datetime.now()
    sets = COLD_LAUNCHES if "c" in options.modes else 1
    bench = Bench(spec, configs, options.packed, options.workers, sets * (largest + COLD_SPACING))
    if options.fused_only:
        del bench.baselines["twoNorms"]
    if options.loaded and not bench.load_state():
        raise SystemExit("the process stays in its quiet state")
    import torch

    medians: dict[str, dict[str, list[float]]] = {}
    result = {
        "device": torch.cuda.get_device_name(), "date": begin.date().isoformat(), "headDim": spec.head_dim,
        "dtype": options.dtype, "layout": "packed" if options.packed else "contiguous", "unit": "us per launch",
        "floors": floors(bench), "rows": rows, "us": medians,
    }
    for done in range(options.passes):
        for row in rows:
            gqa, kv, tokens = row
            for what in [*bench.baselines, *configs]:
                if isinstance(what, Config) and not worth(what, (gqa + 1) * kv, tokens):
                    continue
                # Large sets flush the L2 by themselves.
                small = tokens * (gqa + 1) * kv * spec.head_dim * 4 < 8 << 20
                modes = options.modes if small else options.modes.replace("f", "")
                name = what if isinstance(what, str) else what.name
                for mode, value in bench.row(what, row, modes).items():
                    medians.setdefault(name, {}).setdefault(f"{gqa}/{kv}/{tokens}/{mode}", []).append(round(value, 4))
        spent = (datetime.datetime.now() - begin).total_seconds()
        print(f"round {done + 1} done after {spent:.0f} s", flush=True)
        with open(options.json, "w") as file:
            json.dump({**result, "seconds": spent, "passes": done + 1}, file, separators=(",", ":"))
        if spent > options.seconds:
            break


if __name__ == "__main__":
    main()
