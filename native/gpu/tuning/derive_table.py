"""Derives a device's table in native/kernels/launch_table.json from measured rounds: which configuration for what work.

The work of a launch is counted in chunks, 8 neighbouring elements of a head: tokens * heads * headDim / 8. Rows of the
grid with the same work time alike whatever their heads, so the table is a list of ranges of that one number. Each
range gets the configuration with the least sum of log(time / best time of that row), weighted as below;
the ranges are the cut with the least total, where a further range must save what `--range-cost` says.
"""

import argparse
import json
import math
import statistics
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from launch_config import Config
from results import BASELINES, Round, load_rounds

TABLE = Path(__file__).resolve().parents[2] / "kernels" / "launch_table.json"

# What counts how much. A process of this library's users is quiet (native/gpu/NOTES.md, "Two states of a process"), as
# the rounds of Node's own process are; and in a model the kernel before this one has just written q and k, so that they
# are warm. Other rounds are history.
ROUND_WEIGHTS = {"latest-quiet": 5, "latest-loaded": 1, "node-1": 5, "node-2": 5}
MODE_WEIGHTS = {"w": 5, "c": 1}


def costs(rounds: list[Round]) -> dict[int, dict[str, float]]:
    """chunks -> configuration -> weighted mean of log(time / best time), over rows, modes and rounds."""
    found: dict[int, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for measured in rounds:
        for (gqa, kv, tokens), mode, times in measured.each():
            if mode not in MODE_WEIGHTS:
                continue
            chunks = tokens * (gqa + 1) * kv * measured.head_dim // 8
            own = {name: time for name, time in times.items() if name not in BASELINES}
            best = min(own.values())
            weight = ROUND_WEIGHTS[measured.label] * MODE_WEIGHTS[mode]
            for name, time in own.items():
                found[chunks][at_128(name, measured.head_dim)].append((weight, math.log(time / best)))
    # Only what was measured in every row of this size, in every mode and round.
    return {
        chunks: {
            name: sum(w * cost for w, cost in each) / sum(w for w, _ in each)
            for name, each in names.items()
            if len(each) == max(map(len, names.values()))
        }
        for chunks, names in sorted(found.items())
    }


def at_128(name: str, head_dim: int) -> str:
    """The configuration with as many chunks per lane at head dim 128: one table serves all head dims."""
    config = Config.parse(name)
    return replace(config, lanes=config.lanes * 128 // head_dim).name


def smoothed(table: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
    """Three quarters of a size's own cost, a quarter that of the sizes within a factor of 2.1.

    Other head dims, layouts and machines shift the borders: a configuration that is best at one size and poor at the
    next is a bad choice for both.
    """
    result: dict[int, dict[str, float]] = {}
    for size, names in table.items():
        near = [other for other in table if other != size and 1 / 2.1 < other / size < 2.1]
        result[size] = {
            name: (3 * cost + statistics.mean(table[n].get(name, cost) for n in near)) / 4 for name, cost in names.items()
        }
    return result


def cut(table: dict[int, dict[str, float]], range_cost: float) -> list[tuple[int, str, float]]:
    """[(largest chunks of the range, configuration, summed cost)]: the cheapest cut of the sizes into ranges."""
    sizes = list(table)

    def cheapest(first: int, last: int) -> tuple[float, str]:
        names = set.intersection(*(set(table[s]) for s in sizes[first:last]))
        return min(((sum(table[s][n] for s in sizes[first:last]), n) for n in names), default=(math.inf, ""))

    best: list[tuple[float, list]] = [(0.0, [])]
    for last in range(1, len(sizes) + 1):
        options = []
        for first in range(last):
            cost, name = cheapest(first, last)
            total, ranges = best[first]
            options.append((total + cost + range_cost, [*ranges, (sizes[last - 1], name, cost)]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def as_ranges(ranges: list[tuple[int, str, float]], sizes: list[int]) -> list[dict]:
    """A table's ranges. One ends half way (as a ratio) to the next size that was measured."""
    entries = []
    for index, (largest, name, _) in enumerate(ranges):
        config = Config.parse(name)
        following = sizes[sizes.index(largest) + 1] if index + 1 < len(ranges) else None
        entries.append(
            {
                "chunksBelow": round(math.sqrt(largest * following)) if following else None,
                "chunksPerLane": 16 // config.lanes,
                "rows": config.rows,
                "block": config.block,
                "trigger": config.trigger,
                "loop": config.loop,
                "waves": config.waves,
                "prefetch": config.prefetch,
                "radix": config.radix,
            }
        )
    return entries


def put(path: str, device: str, ranges: list[dict]) -> None:
    """Replaces the table of a device in the file, or adds it behind the others."""
    with open(path) as file:
        content = json.load(file)
    tables = [table for table in content["tables"] if table["device"] != device]
    at = next((i for i, table in enumerate(content["tables"]) if table["device"] == device), len(tables))
    tables.insert(at, {"device": device, "ranges": ranges})
    with open(path, "w") as file:
        json.dump({**content, "tables": tables}, file, indent=2)
        file.write("\n")


def main() -> None:
    """Writes the table and prints what it costs against the best configuration of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="native/gpu/tuning/results/h200-tuning.json, or another device's")
    parser.add_argument("--device", required=True, help="what the device's name begins with: NVIDIA H200")
    parser.add_argument("--range-cost", type=float, default=0.02)
    parser.add_argument("--out", default=str(TABLE))
    options = parser.parse_args()
    rounds = [r for r in load_rounds(options.results) if r.label in ROUND_WEIGHTS and r.device.startswith(options.device)]
    table = costs(rounds)
    ranges = cut(smoothed(table), options.range_cost)
    lost = []
    for index, (largest, name, _) in enumerate(ranges):
        above = ranges[index - 1][0] if index else 0
        lost.append([costs_of[name] for size, costs_of in table.items() if above < size <= largest])
        print(f"up to {largest:9d} chunks: {name:16s} mean loss {100 * statistics.mean(lost[-1]):.2f} %")
    print(f"mean loss against the best of each size: {100 * statistics.mean(sum(lost, [])):.2f} %")
    put(options.out, options.device, as_ranges(ranges, list(table)))


if __name__ == "__main__":
    main()
