"""The norms where they stand in a model: behind the projection that makes q, k and v, and before RoPE.

A graph holds the layers' projections (PyTorch, cuBLAS; the weights of 4 layers in turn, several times the L2), the
norms of q and k in place on the packed result, and RoPE (torch.compile). Each way to normalise takes the place of the
norms, and the same graph without any is the floor: what lies between is what the norms cost a layer. Writes one line of
JSON per row, in microseconds per layer.
"""

import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tuning"))

from driver import Graph, Kernel, Timer, make_stream
from launch import fused_launch, seed_launch, two_norms_launch
from launch_table import choose, load_table
from measure import PROBES
from nvrtc import compile_kernel
from qk_norm import Side, Spec, macros, row_macros

HEAD_DIM, LAYERS, WEIGHTS = 128, 24, 4
# Query heads, KV heads, hidden size: Qwen3-8B and Qwen3-32B.
MODELS = ((32, 8, 4096), (64, 8, 5120))
TOKENS = (1, 8, 32, 128, 512, 2048, 8192)
BASELINES = {"seedDesign": 0, "mid2026Design": 1}


def rope(q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotates pairs half a head apart. [T, H, D]; cos and sin [T, 1, D / 2]."""

    def turned(x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)

    return turned(q), turned(k)


class Layer:
    """One attention layer's first steps for a number of tokens."""

    def __init__(self, q_heads: int, kv_heads: int, hidden: int, tokens: int, stream: torch.cuda.Stream) -> None:
        self.heads, self.tokens, self.stream = (q_heads, kv_heads), tokens, stream
        width = (q_heads + 2 * kv_heads) * HEAD_DIM
        self.x = torch.randn(tokens, hidden, device="cuda").bfloat16()
        self.weights = [(torch.randn(hidden, width, device="cuda") / hidden**0.5).bfloat16() for _ in range(WEIGHTS)]
        self.qkv = torch.empty(tokens, width, device="cuda", dtype=torch.bfloat16)
        self.gain = torch.ones(HEAD_DIM, device="cuda", dtype=torch.bfloat16)
        self.cos, self.sin = (torch.randn(tokens, 1, HEAD_DIM // 2, device="cuda").bfloat16() for _ in range(2))
        q, k, _ = self.qkv.split([q_heads * HEAD_DIM, kv_heads * HEAD_DIM, kv_heads * HEAD_DIM], dim=1)
        self.q, self.k = q.view(tokens, q_heads, HEAD_DIM), k.view(tokens, kv_heads, HEAD_DIM)

    def sides(self) -> tuple[Side, Side]:
        """q and k for the launchers."""
        stride = self.qkv.stride(0)
        q, k = (
            Side(x.data_ptr(), heads, stride, HEAD_DIM, self.gain.data_ptr())
            for x, heads in zip((self.q, self.k), self.heads, strict=True)
        )
        return q, k

    def queue(self, index: int, norm: Callable[[], None], turn: Callable[..., object]) -> Callable[[], None]:
        """Projection, norms, RoPE."""

        def run() -> None:
            with torch.cuda.stream(self.stream):
                torch.mm(self.x, self.weights[index % WEIGHTS], out=self.qkv)
                norm()
                turn(self.q, self.k, self.cos, self.sin)

        return run


def seed_one_token(seed: Kernel, timer: Timer, stream: ctypes.c_void_p) -> float:
    """The seed's design for one token of 8/1 heads in a graph: tells the state of this process (NOTES.md)."""
    x = torch.randn(9, HEAD_DIM, device="cuda").bfloat16()
    gain = torch.ones(HEAD_DIM, device="cuda", dtype=torch.bfloat16)
    q = Side(x.data_ptr(), 8, 8 * HEAD_DIM, HEAD_DIM, gain.data_ptr())
    k = Side(x[8:].data_ptr(), 1, HEAD_DIM, HEAD_DIM, gain.data_ptr())
    torch.cuda.synchronize()
    graph = Graph([seed_launch(seed, (q, k), 1, stream)] * 100, stream)
    times = timer.microseconds(graph, 15)
    graph.close()
    return round(sorted(times)[7] / 100, 4)


def main() -> None:
    """All rows, until the seconds of the first argument are over."""
    until = time.monotonic() + float(sys.argv[1])
    spec, table = Spec(head_dim=HEAD_DIM), load_table(torch.cuda.get_device_name())
    torch.zeros(1, device="cuda")
    raw = make_stream()
    stream = torch.cuda.ExternalStream(raw.value)
    kernels: dict[object, Kernel] = {}
    for name, early in BASELINES.items():
        m = {"QK_HEAD_DIM": HEAD_DIM, "QK_DTYPE": spec.dtype, "QK_WEIGHT_EARLY": early}
        kernels[name] = Kernel(compile_kernel("seed_design", m).cubin, "seed_design")
    kernels["twoNorms"] = Kernel(compile_kernel("row_norm", row_macros(spec)).cubin, "row_norm")
    timer = Timer(Kernel(compile_kernel(PROBES, {}).cubin, "probe_hold"), raw)
    turn = torch.compile(rope, dynamic=True)
    print(json.dumps({"seedOneTokenUs": seed_one_token(kernels["seedDesign"], timer, raw)}), flush=True)
    for (q_heads, kv_heads, hidden), tokens in ((m, t) for t in TOKENS for m in MODELS):
        if time.monotonic() > until:
            break
        layer = Layer(q_heads, kv_heads, hidden, tokens, stream)
        sides, config = layer.sides(), choose(table, HEAD_DIM, q_heads + kv_heads, tokens)
        if config not in kernels:
            kernels[config] = Kernel(compile_kernel("qk_norm", macros(spec, config)).cubin, "qk_norm")
        norms: dict[str, Callable[[], None]] = {
            "none": lambda: None,
            "fused": fused_launch(kernels[config], spec, config, sides, tokens, raw),
            **{name: seed_launch(kernels[name], sides, tokens, raw) for name in BASELINES},
            "twoNorms": two_norms_launch(kernels["twoNorms"], sides, HEAD_DIM // 8, tokens, raw),
        }
        for norm in norms.values():
            layer.queue(0, norm, turn)()
        torch.cuda.synchronize()
        graphs = {
            name: Graph([layer.queue(i, norm, turn) for i in range(LAYERS)], raw) for name, norm in norms.items()
        }
        times: dict[str, list[float]] = {name: [] for name in graphs}
        for replay in range(13):
            for name, graph in graphs.items():
                (us,) = timer.microseconds(graph, 1, hold_us=100)
                if replay >= 2:
                    times[name].append(us / LAYERS)
        for graph in graphs.values():
            graph.close()
        medians = {name: round(sorted(found)[len(found) // 2], 4) for name, found in times.items()}
        row = {"gqa": q_heads // kv_heads, "kvHeads": kv_heads, "tokens": tokens, "us": medians}
        print(json.dumps(row), flush=True)
    print(json.dumps({"seedOneTokenUs": seed_one_token(kernels["seedDesign"], timer, raw)}), flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()
