"""What PyTorch's scaled_dot_product_attention takes in a graph over keys that no cache holds; sizes come as JSON on stdin."""

import json
import statistics
import sys
import time

import torch

HEAD_DIM, GRAPH_BYTES = 128, 400_000_000

asked = json.load(sys.stdin)
end = time.time() + asked["seconds"]
device = torch.device("cuda")
for size in asked["sizes"]:
    if time.time() > end:
        break
    batch, queries, keys, heads = (size[name] for name in ("batch", "queries", "keys", "kvHeads"))
    cache_bytes = 4 * batch * keys * heads * HEAD_DIM
    launches = max(2, min(60, -(-GRAPH_BYTES // cache_bytes)))
    sets = min(launches, max(1, int(12e9 // cache_bytes)))

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device, dtype=torch.bfloat16)

    # As a cache lies: [keys, heads, head dim].
    caches = [tuple(random(batch, keys, heads, HEAD_DIM).transpose(1, 2) for _ in "kv") for _ in range(sets)]
    q = random(batch, queries, size["queryHeads"], HEAD_DIM).transpose(1, 2)

    def queue() -> None:
        for i in range(launches):
            k, v = caches[i % sets]
            torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=queries > 1, enable_gqa=True)

    queue()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        queue()
    times = []
    for _ in range(6):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop) * 1000 / launches)
    print(json.dumps({**size, "us": statistics.median(times)}), flush=True)
    del graph, caches, q
