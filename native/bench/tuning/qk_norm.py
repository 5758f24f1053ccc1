"""The host's side of native/kernels/qk_norm.cu: its macros, its arguments, its grid."""

import ctypes
import re
import struct
from dataclasses import dataclass

F32, BF16, F16 = 0, 1, 2
BYTES = {F32: 4, BF16: 2, F16: 2}
NAMES = {F32: "f32", BF16: "bf16", F16: "f16"}
RMS, LAYER, L2 = 0, 1, 2
CHUNK = 8


@dataclass(frozen=True)
class Spec:
    """What is computed."""

    head_dim: int = 128
    dtype: int = BF16
    weight: bool = True
    bias: bool = False
    weight_dtype: int = BF16
    kind: int = RMS
    offset: int = 0
    hf: bool = False
    in_place: bool = True
    align: int = 16


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


def leaves(head_dim: int) -> int:
    """The chunks of a row, rounded up to a power of two: the most lanes that fit."""
    return 1 << (head_dim // CHUNK - 1).bit_length()


def macros(spec: Spec, config: Config) -> dict[str, int]:
    """The -D macros of one variant."""
    return {
        "QK_HEAD_DIM": spec.head_dim,
        "QK_DTYPE": spec.dtype,
        "QK_WEIGHT": int(spec.weight),
        "QK_BIAS": int(spec.bias),
        "QK_WEIGHT_DTYPE": spec.weight_dtype,
        "QK_KIND": spec.kind,
        "QK_OFFSET": spec.offset,
        "QK_HF": int(spec.hf),
        "QK_IN_PLACE": int(spec.in_place),
        "QK_ALIGN": spec.align,
        "QK_WEIGHT_ALIGN": 16,
        "QK_LANES": config.lanes,
        "QK_ROWS": config.rows,
        "QK_BLOCK": config.block,
        "QK_TRIGGER": config.trigger,
        "QK_LOOP": config.loop,
        "QK_PREFETCH": config.prefetch,
        "QK_RADIX": config.radix,
    }


def row_macros(spec: Spec) -> dict[str, int]:
    """The -D macros of row_norm.cu for rows of whole chunks."""
    all_macros = list(macros(spec, Config()).items())
    first, last = (next(i for i, m in enumerate(all_macros) if m[0] == name) for name in ("QK_DTYPE", "QK_WEIGHT_ALIGN"))
    return dict(all_macros[first : last + 1]) | {"QK_TAIL": 0}


@dataclass(frozen=True)
class Side:
    """q or k: addresses, and strides in elements."""

    x: int
    heads: int
    token_stride: int
    head_stride: int
    weight: int = 0
    bias: int = 0
    weight_head_stride: int = 0
    eps: float = 1e-6
    y: int = 0
    y_token_stride: int = 0
    y_head_stride: int = 0

    def pack(self, spec: Spec) -> bytes:
        """The kernel's `Side`, 80 bytes."""
        size, weight_size = BYTES[spec.dtype], BYTES[spec.weight_dtype]
        return struct.pack(
            "<4Q5qfI",
            self.x, self.y, self.weight, self.bias,
            self.token_stride * size, self.head_stride * size,
            self.y_token_stride * size, self.y_head_stride * size,
            self.weight_head_stride * weight_size, self.eps, self.heads,
        )


def divider(divisor: int) -> tuple[int, int]:
    """(multiplier, shift) with n // divisor == n * multiplier >> shift for every n < 2**31."""
    shift = 31 + (divisor - 1).bit_length()
    return -(-(1 << shift) // divisor), shift


def launch_shape(config: Config, heads: int, tokens: int, multiprocessors: int) -> tuple[int, int, int]:
    """(blocks, slices, trips) of a launch."""
    slices = -(-tokens // config.rows)
    blocks = -(-slices * heads * config.lanes // config.block)
    if config.loop:
        blocks = min(blocks, config.waves * multiprocessors)
        slices = min(slices, max(1, blocks * config.block // config.lanes // heads))
        blocks = -(-slices * heads * config.lanes // config.block)
    return blocks, slices, -(-tokens // (slices * config.rows))


def arguments(
    spec: Spec, config: Config, q: Side, k: Side, tokens: int, multiprocessors: int
) -> tuple[int, ctypes.Array]:
    """(blocks, the kernel's `Args`, 184 bytes)."""
    heads = q.heads + k.heads
    blocks, slices, trips = launch_shape(config, heads, tokens, multiprocessors)
    packed = q.pack(spec) + k.pack(spec) + struct.pack("<6I", tokens, heads, slices, trips, *divider(heads))
    return blocks, (ctypes.c_char * len(packed)).from_buffer_copy(packed)
