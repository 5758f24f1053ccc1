"""Prepared launches of the kernel and of the two baselines on PyTorch memory."""

import ctypes
import struct
from collections.abc import Callable

import torch

from driver import Kernel
from qk_norm import Config, Side, Spec, arguments
from reference import Case

Launch = Callable[[], None]


def multiprocessors() -> int:
    """Of the current device."""
    return torch.cuda.get_device_properties(0).multi_processor_count


def _address(x: torch.Tensor | None) -> int:
    return 0 if x is None else x.data_ptr()


def launch_case(kernel: Kernel, case: Case, config: Config, stream: ctypes.c_void_p, pdl: bool = True) -> Launch:
    """One launch over a correctness case."""
    sides = []
    for side in (0, 1):
        x, y = case.rows(case.memory, side), case.rows(case.output, side)
        sides.append(
            Side(
                _address(x), case.heads[side], x.stride(0), x.stride(1),
                _address(case.weights[side]), _address(case.biases[side]), case.weight_head_stride, case.eps[side],
                _address(y), y.stride(0), y.stride(1),
            )
        )
    blocks, args = arguments(case.spec, config, sides[0], sides[1], case.tokens, multiprocessors())
    return kernel.prepare(blocks, config.block, [args], stream, pdl)


class Buffers:
    """Sets of q and k for timing, and one pair of weights. Contiguous, or slices of packed QKV rows."""

    def __init__(self, spec: Spec, pool: torch.Tensor, weights: torch.Tensor, packed: bool = False) -> None:
        self.spec, self.pool, self.packed = spec, pool, packed
        self._weights = weights

    def set_bytes(self, q_heads: int, k_heads: int, tokens: int) -> int:
        """The span of one set, v included when packed."""
        heads = q_heads + k_heads * (2 if self.packed else 1)
        return tokens * heads * self.spec.head_dim * self.pool.element_size()

    def sides(self, q_heads: int, k_heads: int, tokens: int, offset: int) -> tuple[Side, Side]:
        """q and k of the set that starts `offset` bytes into the pool."""
        dim, size = self.spec.head_dim, self.pool.element_size()
        start = self.pool.data_ptr() + offset
        row = (q_heads + 2 * k_heads) * dim if self.packed else 0
        after_q = q_heads * dim * (1 if self.packed else tokens)
        w = self._weights.data_ptr()
        q = Side(start, q_heads, row or q_heads * dim, dim, w)
        k = Side(start + after_q * size, k_heads, row or k_heads * dim, dim, w + dim * self._weights.element_size())
        return q, k


def fused_launch(
    kernel: Kernel, spec: Spec, config: Config, sides: tuple[Side, Side], tokens: int, stream: ctypes.c_void_p
) -> Launch:
    """One launch of qk_norm.cu."""
    blocks, args = arguments(spec, config, *sides, tokens, multiprocessors())
    return kernel.prepare(blocks, config.block, [args], stream)


def seed_launch(kernel: Kernel, sides: tuple[Side, Side], tokens: int, stream: ctypes.c_void_p) -> Launch:
    """One launch of seed_design.cu with its own grid rule."""
    q, k = sides
    rows = tokens * (q.heads + k.heads)
    blocks = min(multiprocessors() * kernel.blocks_per_multiprocessor(128), -(-rows // 4))
    args = [
        ctypes.c_void_p(q.x), ctypes.c_void_p(k.x), ctypes.c_void_p(q.weight), ctypes.c_void_p(k.weight),
        ctypes.c_longlong(q.token_stride), ctypes.c_longlong(k.token_stride),
        ctypes.c_uint(q.heads), ctypes.c_uint(k.heads), ctypes.c_float(q.eps), ctypes.c_uint(tokens),
    ]
    return kernel.prepare(blocks, 128, args, stream)


def row_norm_launch(
    kernel: Kernel, side: Side, chunks: int, element_bytes: int, weight_bytes: int, tokens: int,
    stream: ctypes.c_void_p,
) -> Launch:
    """One launch of row_norm.cu: a block per row, a thread per chunk of 8 elements up to 1024, in place."""
    strides = (side.token_stride * element_bytes, side.head_stride * element_bytes)
    packed = struct.pack(
        "<4Q5qff2I", side.x, side.x, side.weight, 0, *strides, *strides, side.weight_head_stride * weight_bytes,
        side.eps, 1 / (8 * chunks), chunks, side.heads,
    )
    args = (ctypes.c_char * len(packed)).from_buffer_copy(packed)
    return kernel.prepare(side.heads * tokens, min(1024, -(-chunks // 32) * 32), [args], stream)


def two_norms_launch(kernel: Kernel, sides: tuple[Side, Side], chunks: int, tokens: int, stream: object) -> Launch:
    """q, then k, as a model without the fused kernel does on one stream."""
    both = [row_norm_launch(kernel, side, chunks, 2, 2, tokens, stream) for side in sides]

    def run() -> None:
        for launch in both:
            launch()

    return run
