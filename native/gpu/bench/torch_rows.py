"""Times PyTorch's own RMS norms of q and k on the benchmark's rows: 100 calls in one CUDA graph, median per call.

Reads rows as JSON on its input ([{"gqa": 8, "kvHeads": 1, "tokens": 1}, ...]; head dim 128, bf16, contiguous), and
writes one line of JSON per row: the row's number and microseconds of torch.compile of both norms, and of two calls of
F.rms_norm. Both write their results to new memory.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

HEAD_DIM, EPS, LAUNCHES = 128, 1e-6, 100
Norms = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def norms(q: torch.Tensor, k: torch.Tensor, wq: torch.Tensor, wk: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both, as a model writes them."""
    return F.rms_norm(q, (HEAD_DIM,), wq, EPS), F.rms_norm(k, (HEAD_DIM,), wk, EPS)


def microseconds(run: Norms, args: tuple[torch.Tensor, ...]) -> float:
    """Median over graph replays, per call."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run(*args)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(LAUNCHES):
            run(*args)
    graph.replay()
    torch.cuda.synchronize()
    times = []
    while len(times) < 5 or (len(times) < 15 and sum(times) < 8000):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(1000 * start.elapsed_time(end))
    return statistics.median(times) / LAUNCHES


def main() -> None:
    """Row by row, until the seconds of the first argument are over; largest rows first."""
    until = time.monotonic() + float(sys.argv[1])
    rows = json.load(sys.stdin)
    torch._dynamo.config.cache_size_limit = 64
    print(json.dumps({"torch": torch.__version__}), flush=True)
    dynamic: Norms = torch.compile(norms, dynamic=True)
    with torch.no_grad():
        for index, row in sorted(enumerate(rows), key=lambda one: -one[1]["tokens"] * one[1]["kvHeads"]):
            if time.monotonic() > until:
                break
            tokens, kv = row["tokens"], row["kvHeads"]
            q, k = (torch.randn(tokens, heads, HEAD_DIM, device="cuda").bfloat16() for heads in (row["gqa"] * kv, kv))
            args = (q, k, *(torch.randn(HEAD_DIM, device="cuda").bfloat16() for _ in range(2)))
            compiled = microseconds(dynamic, args)
            if tokens == 8192 and kv == 8:
                # For the rows that a goal is about, also compiled for their very shape; the faster counts.
                compiled = min(compiled, microseconds(torch.compile(norms, dynamic=False), args))
            plain = microseconds(norms, args)
            found = {"row": index, "torchCompile": round(compiled, 4), "torchRmsNorm": round(plain, 4)}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
