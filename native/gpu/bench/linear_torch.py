"""What PyTorch's F.linear takes in a graph over weights that no cache holds; sizes come as JSON on stdin."""

import json
import statistics
import sys
import time

import torch

asked = json.load(sys.stdin)
end = time.time() + asked["seconds"]
device = torch.device("cuda")
for rows in asked["rows"]:
    for size in asked["sizes"]:
        if time.time() > end:
            print("# PyTorch: out of time")
            sys.exit(0)
        n, k = size["outputs"], size["inputs"]
        launches = max(4, min(60, -(-600_000_000 // (2 * n * k))))
        weights = torch.randn(launches, n, k, device=device, dtype=torch.bfloat16)
        x = torch.randn(rows, k, device=device, dtype=torch.bfloat16)

        def queue():
            for weight in weights:
                torch.nn.functional.linear(x, weight)

        queue()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            queue()
        times = []
        for _ in range(8):
            start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            graph.replay()
            stop.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(stop) * 1000 / launches)
        us = statistics.median(times)
        print(f"{size['name']:16s} M {rows:<5d} PyTorch {us:.2f} us {2 * n * k / us / 1e6:.2f} TB/s", flush=True)
        del graph, weights
