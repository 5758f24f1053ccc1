"""The measured rounds: packed into one compact file, read back, summed up.

    python3 results.py pack OUT IN...      one file of several outputs of measure.py
    python3 results.py show FILE           what the launch table gives in each round, against the baselines
"""

import json
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

BASELINES = ("seed", "mid2026", "twoNorms")
Row = tuple[int, int, int]


@dataclass
class Round:
    """One run of measure.py: medians in microseconds per launch."""

    label: str
    device: str
    date: str
    head_dim: int
    dtype: str
    layout: str
    passes: int
    floors: dict[str, float]
    rows: list[Row]
    # mode -> configuration -> one time per row, None where it was not measured
    us: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)

    def each(self) -> Iterator[tuple[Row, str, dict[str, float]]]:
        """(row, mode, configuration -> time)."""
        for mode, names in self.us.items():
            for index, row in enumerate(self.rows):
                times = {name: values[index] for name, values in names.items() if values[index] is not None}
                if times:
                    yield row, mode, times


def from_measure(path: str, label: str) -> Round:
    """Reads an output of measure.py."""
    with open(path) as file:
        raw = json.load(file)
    rows = [tuple(row) for row in raw["rows"]]
    us: dict[str, dict[str, list[float | None]]] = {}
    for name, cells in raw["us"].items():
        for mode in "wcf":
            values = [cells.get("/".join(map(str, (*row, mode)))) for row in rows]
            if any(values):
                us.setdefault(mode, {})[name] = [round(statistics.median(v), 3) if v else None for v in values]
    floors = {name: round(value, 3) for name, value in raw["floors"].items()}
    return Round(
        label, raw["device"], raw["date"], raw["headDim"], raw["dtype"], raw["layout"], raw["passes"], floors, rows, us
    )


def load_rounds(path: str) -> list[Round]:
    """Reads the compact file."""
    with open(path) as file:
        return [Round(**{**entry, "rows": [tuple(r) for r in entry["rows"]]}) for entry in json.load(file)["rounds"]]


def pack(out: str, paths: list[str]) -> None:
    """Writes the compact file; a round is labelled by its file's name."""
    rounds = [from_measure(path, path.rsplit("/", 1)[-1].removesuffix(".json")) for path in paths]
    head = {
        "unit": "us per launch, median",
        "modes": {"w": "warm", "c": "cold", "f": "cold, L2 flushed before"},
        "configuration": "l<lanes>r<rows in flight>b<block>t<trigger>p<persistent blocks per SM>, "
        "f: with prefetch of the next row, s: radix 4, e: x asked for before the wait",
    }
    with open(out, "w") as file:
        json.dump({**head, "rounds": [r.__dict__ for r in rounds]}, file, separators=(",", ":"))
        file.write("\n")


def mean_ratio(pairs: list[tuple[float, float]]) -> float:
    """Geometric mean of a / b."""
    return math.exp(statistics.mean(math.log(a / b) for a, b in pairs)) if pairs else math.nan


def show(path: str) -> None:
    """Per round and mode: the table's times over the baselines', and the row where it is nearest to losing."""
    from launch_table import choose, load_table

    for measured in load_rounds(path):
        table = load_table(measured.device)
        for mode in measured.us:
            seed, mid, best, missing = [], [], [], 0
            for (gqa, kv, tokens), at, times in measured.each():
                name = choose(table, measured.head_dim, (gqa + 1) * kv, tokens).name
                if at != mode:
                    continue
                if name not in times or "seed" not in times:
                    missing += 1
                    continue
                seed.append((times["seed"], times[name]))
                mid.append((times["mid2026"], times[name]))
                best.append((times[name], min(v for n, v in times.items() if n not in BASELINES)))
            if seed:
                print(
                    f"{measured.label:12s} {mode} {len(seed):3d} rows ({missing} without): {mean_ratio(seed):.3f}x the "
                    f"seed's design, {mean_ratio(mid):.3f}x mid-2026's (worst row {min(a / b for a, b in mid):.3f}), "
                    f"{100 * (mean_ratio(best) - 1):.1f} % over the best of each row"
                )


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "pack":
        pack(sys.argv[2], sys.argv[3:])
    elif len(sys.argv) == 3 and sys.argv[1] == "show":
        show(sys.argv[2])
    else:
        sys.exit(__doc__)
