"""Checks of qk_norm.cu that need more than one launch: the order under PDL, graphs, batches, 64-bit offsets."""

import ctypes
import itertools
from collections.abc import Callable

import torch

from driver import Graph, Kernel, make_stream
from launch import launch_case, multiprocessors, row_norm_launch
from measure import PROBES
from nvrtc import compile_kernel
from qk_norm import BF16, F16, F32, Config, Side, Spec, arguments, macros, row_macros
from reference import Case, reference, ulps

CONFIGS = [Config.parse(n) for n in ("l16r1b256t1", "l16r2b256t2", "l8r4b128t3", "l16r2b256t3p4", "l16r2b128t3p8f")]


def _kernel(spec: Spec, config: Config) -> Kernel:
    return Kernel(compile_kernel("qk_norm", macros(spec, config)).cubin, "qk_norm")


def order_under_pdl() -> str:
    """A producer lets its successor start, sleeps 20 us and writes; the norm must see what it wrote."""
    stream = make_stream()
    producer = Kernel(compile_kernel(PROBES, {}).cubin, "probe_late_producer")
    for config in CONFIGS:
        case = Case(Spec(), (8, 2), 300)
        expected = case.expected()
        source = case.before.clone()
        case.memory.fill_(3.0)
        words = ctypes.c_uint(source.numel() // 2)
        addresses = [ctypes.c_void_p(t.data_ptr()) for t in (case.memory, source)]
        produce = producer.prepare(8, 256, [*addresses, words], stream)
        torch.cuda.synchronize()
        graph = Graph([produce, launch_case(_kernel(case.spec, config), case, config, stream)] * 20, stream)
        graph.replay()
        torch.cuda.synchronize()
        graph.close()
        if wrong := case.judge(expected):
            return f"{config.name}: {wrong}"
    return ""


def graphs_repeat_eager() -> str:
    """Ten thousand launches in graph replays, each on the result of the last, give the bits of eager launches."""
    stream = make_stream()
    for config in CONFIGS:
        eager, captured = Case(Spec(), (8, 2), 40), Case(Spec(), (8, 2), 40)
        kernel = _kernel(eager.spec, config)
        torch.cuda.synchronize()
        launch = launch_case(kernel, eager, config, stream, pdl=False)
        for _ in range(10000):
            launch()
        torch.cuda.synchronize()
        graph = Graph([launch_case(kernel, captured, config, stream)] * 100, stream)
        for _ in range(100):
            graph.replay()
        torch.cuda.synchronize()
        graph.close()
        if not torch.equal(eager.memory.view(torch.int16), captured.memory.view(torch.int16)):
            return f"{config.name}: other bits"
    return ""


def batches_do_not_matter() -> str:
    """A token has the same bits alone, in a few and in many, whatever the configuration."""
    stream = make_stream()
    whole = torch.randn(4096, 10, 128, device="cuda").to(torch.bfloat16)
    weight = torch.randn(128, device="cuda").to(torch.bfloat16)
    results = []
    parts = [(0, 4096), (7, 8), (100, 137), (1000, 3001), (4095, 4096)]
    for config, (first, last) in itertools.product(CONFIGS, parts):
        part = whole[first:last].clone()
        q = Side(part.data_ptr(), 8, 1280, 128, weight.data_ptr())
        k = Side(part.data_ptr() + 8 * 256, 2, 1280, 128, weight.data_ptr())
        blocks, args = arguments(Spec(), config, q, k, last - first, multiprocessors())
        torch.cuda.synchronize()
        _kernel(Spec(), config).prepare(blocks, config.block, [args], stream)()
        torch.cuda.synchronize()
        results.append((first, last, part))
    full = results[0][2]
    for first, last, part in results:
        if not torch.equal(full[first:last].view(torch.int16), part.view(torch.int16)):
            return f"tokens {first} to {last} differ"
    return ""


def offsets_beyond_32_bits() -> str:
    """More than 2^31 elements of q."""
    tokens, spec, config = (1 << 31) // 4096 + 1000, Spec(), Config.parse("l16r2b128t2")
    stream = make_stream()
    x = torch.empty(tokens, 40, 128, device="cuda", dtype=torch.bfloat16).normal_()
    weight = torch.randn(128, device="cuda").to(torch.bfloat16)
    picked = torch.cat([torch.arange(first, first + 50) for first in (0, tokens // 2, tokens - 50)])
    expected = reference(x[picked.cuda()], weight, None, 1e-6, spec)
    q = Side(x.data_ptr(), 32, 5120, 128, weight.data_ptr())
    k = Side(x.data_ptr() + 32 * 256, 8, 5120, 128, weight.data_ptr())
    blocks, args = arguments(spec, config, q, k, tokens, multiprocessors())
    torch.cuda.synchronize()
    _kernel(spec, config).prepare(blocks, config.block, [args], stream)()
    torch.cuda.synchronize()
    far = ulps(x[picked.cuda()], expected)
    return "" if int(far.max()) <= 1 else f"{int(far.max())} ulp"


def plain_norm_matches() -> str:
    """row_norm.cu, rows of a head and of a whole token, every format and rounding."""
    stream = make_stream()
    lengths = (8, 80, 128, 1024, 4096, 16384)
    for length, dtype, hf, offset in itertools.product(lengths, (F32, BF16, F16), (False, True), (0, 1)):
        spec = Spec(length, dtype, weight_dtype=dtype, hf=hf, offset=offset)
        kernel = Kernel(compile_kernel("row_norm", row_macros(spec)).cubin, "row_norm")
        case = Case(spec, (3, 2), 5)
        expected = case.expected()
        torch.cuda.synchronize()
        for side, eps in ((0, 1e-6), (1, 1e-5)):
            x, weight = case.rows(case.memory, side), case.weights[side]
            described = Side(x.data_ptr(), x.shape[1], x.stride(0), x.stride(1), weight.data_ptr(), eps=eps)
            size = x.element_size()
            row_norm_launch(kernel, described, length // 8, size, size, 5, stream)()
        torch.cuda.synchronize()
        if wrong := case.judge(expected):
            return f"{length} {spec}: {wrong}"
    return ""


def main() -> None:
    """Runs all; the exit status is 1 if one fails."""
    torch.zeros(1, device="cuda")
    tests: list[Callable[[], str]] = [
        order_under_pdl, graphs_repeat_eager, batches_do_not_matter, offsets_beyond_32_bits, plain_norm_matches,
    ]
    failed = 0
    for test in tests:
        wrong = test()
        failed += bool(wrong)
        print(f"{test.__name__}: {wrong or 'ok'}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
