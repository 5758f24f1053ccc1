"""transformers on the shapes of the end-to-end benchmark, with random weights: compiled decoding and eager prefill.

Reads config.json's content of each model as JSON on its input ({"qwen3-0.6b": {...}}). Decoding is one graph a token
(torch.compile, reduce-overhead) over a static cache, the token fed back on the device; prefill is eager with SDPA, the
logits of the last token alone. Writes one line of JSON per finding, in microseconds, and begins nothing that may not end
before the seconds of the first argument are over.
"""

import json
import sys
import time
from collections.abc import Callable

import torch
import transformers
from transformers import Qwen3Config, Qwen3ForCausalLM, StaticCache

CONTEXT, LAST, PREFILL, TURNS = 128, 256, 4096, 5
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Without a GPU the numbers mean nothing, and the program is only tried: nothing is compiled then.
COMPILER: dict[str, str] = {"mode": "reduce-overhead"} if DEVICE == "cuda" else {"backend": "eager"}


def spread(values: list[float]) -> dict[str, float]:
    """As results.ts has it."""
    ordered = sorted(values)
    rounded = [float(f"{value:.5g}") for value in (ordered[len(ordered) // 2], ordered[0], ordered[-1])]
    return {"median": rounded[0], "least": rounded[1], "most": rounded[2], "turns": len(ordered)}


def wait() -> None:
    """Until the device has run all."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def microseconds(run: Callable[[], object]) -> float:
    """Of one call, the device waited for at both ends."""
    wait()
    began = time.perf_counter()
    run()
    wait()
    return 1e6 * (time.perf_counter() - began)


def tell(found: dict[str, object]) -> None:
    """One line for the program that started this."""
    print(json.dumps(found), flush=True)


def copy_rate() -> None:
    """Bytes read and written by a copy of 1 GiB, in 1e12 per second: what torch reaches, to hold ours against."""
    source, target = (torch.empty(2**30, dtype=torch.uint8, device=DEVICE) for _ in range(2))
    times = [microseconds(lambda: target.copy_(source)) for _ in range(12)][2:]
    tell({"versions": {"torch copy, TB/s": f"{2 * 2**30 / sorted(times)[5] / 1e6:.3f}"}})


def make(config: dict[str, object]) -> Qwen3ForCausalLM:
    """The model with transformers' own random weights, in bf16."""
    settings = Qwen3Config(**{name: value for name, value in config.items() if name != "torch_dtype"})
    settings._attn_implementation = "sdpa"
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(DEVICE):
        model = Qwen3ForCausalLM(settings).eval()
    torch.set_default_dtype(torch.float32)
    return model


def prefill(name: str, model: Qwen3ForCausalLM) -> None:
    """A prompt of PREFILL tokens."""
    ids = torch.randint(0, model.config.vocab_size, (1, PREFILL), device=DEVICE)
    run = lambda: model(input_ids=ids, use_cache=True, logits_to_keep=1)  # noqa: E731
    for _ in range(2):
        run()
    times = [microseconds(run) for _ in range(TURNS)]
    tell({"torch": [{"model": name, "what": "prefill", "batch": 1, "tokens": PREFILL, "us": spread(times)}]})


def decode(name: str, model: Qwen3ForCausalLM, batch: int) -> None:
    """Tokens CONTEXT to LAST of `batch` sequences."""
    cache = StaticCache(config=model.config, max_cache_len=LAST + 8)
    ids = torch.randint(0, model.config.vocab_size, (batch, CONTEXT), device=DEVICE)

    def step(token: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        found = model(input_ids=token, position_ids=position, past_key_values=cache, use_cache=True)
        return found.logits[:, -1:].argmax(-1)

    compiled = torch.compile(step, fullgraph=True, **COMPILER)
    positions = [torch.full((batch, 1), at, device=DEVICE) for at in range(CONTEXT, LAST + 8)]

    def text(tokens: int) -> float:
        cache.reset()
        token = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits.argmax(-1)

        def steps() -> None:
            nonlocal token
            for at in range(tokens):
                token = compiled(token, positions[at]).clone()

        return microseconds(steps) / tokens

    text(6)  # compiles, and captures
    text(6)
    times = [text(LAST - CONTEXT) for _ in range(TURNS)]
    tell({"torch": [{"model": name, "what": "decode", "batch": batch, "tokens": LAST - CONTEXT, "us": spread(times)}]})
    torch._dynamo.reset()


def main() -> None:
    """Everything, the cheapest first."""
    until = time.monotonic() + float(sys.argv[1])
    configs = json.load(sys.stdin)
    tell({"versions": {"torch": torch.__version__, "transformers": transformers.__version__}})
    copy_rate()
    models = {}
    for name, config in configs.items():
        models[name] = make(config)
        prefill(name, models[name])
    first = next(iter(models))
    for name, batch in [*((name, 1) for name in models), (first, 64)]:
        # A compiler takes about half a minute for a model of 28 layers.
        if time.monotonic() < until - 15:
            decode(name, models[name], batch)


if __name__ == "__main__":
    with torch.no_grad():
        main()
