"""Reads native/kernels/launch_table.json, as the library's host does."""

import json
from pathlib import Path

from qk_norm import CHUNK, Config, leaves

TABLE = Path(__file__).resolve().parents[2] / "kernels" / "launch_table.json"
MOST_VECTORS = 8  # 16-byte vectors that fit a lane's registers, over its rows and those it prefetches


def load_table(device: str) -> dict:
    """The table of a device, by its name; a device without one takes the first."""
    with open(TABLE) as file:
        tables = json.load(file)["tables"]
    return next((t for t in tables if device.startswith(t["device"])), tables[0])


def most_lanes(head_dim: int) -> int:
    """Lanes of a row at one chunk per lane; fewer where more than a fifth of them would idle."""
    chunks, lanes = head_dim // CHUNK, min(32, leaves(head_dim))
    if chunks == leaves(head_dim):
        return lanes
    lanes = max(1, leaves(head_dim) // 2)
    while lanes > 32 or (lanes > 1 and chunks < 0.8 * lanes * -(-chunks // lanes)):
        lanes //= 2
    return lanes


def choose(table: dict, head_dim: int, heads: int, tokens: int, element_bytes: int = 2) -> Config:
    """The launch configuration for q and k with `heads` heads together."""
    chunks = head_dim // CHUNK
    work = tokens * heads * chunks
    entry = next(e for e in table["ranges"] if e["chunksBelow"] is None or work < e["chunksBelow"])
    full = most_lanes(head_dim)
    # Several chunks per lane are asked for; a row that needs as many anyway keeps its lanes.
    lanes = max(1, min(full, leaves(head_dim) // entry["chunksPerLane"]))
    vectors = -(-chunks // lanes) * element_bytes // 2
    loop = entry["loop"] if vectors * 2 <= MOST_VECTORS else min(1, entry["loop"])
    rows = max(1, min(entry["rows"], MOST_VECTORS // (vectors * (2 if loop == 2 else 1))))
    return Config(
        lanes, rows, entry["block"], entry["trigger"], loop, entry["waves"], entry["prefetch"], entry["radix"]
    )
