"""How qk_norm.cu is launched, by the names that measured rounds give it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """How it is launched. `waves` > 0 makes the grid persistent, with that many blocks per multiprocessor;
    `prefetch` asks for x before the wait; `radix` lanes meet in a step of the reduction."""

    lanes: int = 16
    rows: int = 1
    block: int = 128
    trigger: int = 1
    loop: int = 0
    waves: int = 0
    prefetch: int = 0
    radix: int = 2

    @property
    def name(self) -> str:
        """Short and unique, as the results name it."""
        persistent = f"p{self.waves}{'f' if self.loop == 2 else ''}" if self.loop else ""
        small = ("s" if self.radix == 4 else "") + ("e" if self.prefetch else "")
        return f"l{self.lanes}r{self.rows}b{self.block}t{self.trigger}{persistent}{small}"

    @staticmethod
    def parse(name: str) -> "Config":
        """The configuration of a name."""
        found = re.fullmatch(r"l(\d+)r(\d+)b(\d+)t(\d)(?:p(\d+)(f?))?(s?)(e?)", name)
        if not found:
            raise ValueError(f"no configuration is named {name}")
        lanes, rows, block, trigger, waves = (int(n or 0) for n in found.groups()[:5])
        loop = (2 if found[6] else 1) if waves else 0
        return Config(lanes, rows, block, trigger, loop, waves, int(bool(found[8])), 4 if found[7] else 2)
