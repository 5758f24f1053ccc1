"""The launch configurations that were measured, in the order of the rounds told in native/bench/NOTES.md."""

from dataclasses import replace

from launch_table import choose, load_table
from qk_norm import Config

AT_EXIT, AT_ONCE, WHEN_LOADED, AT_END = 0, 1, 2, 3


def broad() -> list[Config]:
    """Round 1, at head dim 128: everything that seemed possible."""
    configs = []
    for lanes in (4, 8, 16):
        for rows in (1, 2, 4):
            if (16 // lanes) * rows > 8:
                continue  # more than 128 bytes in flight per lane: too few warps fit
            configs += [Config(lanes, rows, block, AT_ONCE) for block in (64, 128, 256)]
            configs += [Config(lanes, rows, block, AT_END) for block in (128, 256)]
        configs += [Config(lanes, 1, block, AT_ONCE) for block in (32, 512, 1024)]
        configs += [Config(lanes, 1, 512, AT_END)]
    configs += [Config(lanes, rows, 128, WHEN_LOADED) for lanes, rows in ((16, 1), (16, 2), (16, 4), (8, 1), (8, 2))]
    configs += [Config(16, rows, 256, WHEN_LOADED) for rows in (1, 2, 4)]
    configs += [Config(16, 1, 128, AT_EXIT), Config(16, 4, 256, AT_EXIT)]
    for loop in (1, 2):
        for lanes, rows in ((16, 1), (16, 2), (16, 4), (8, 1), (8, 2)):
            configs.append(Config(lanes, rows, 256, AT_ONCE, loop, 4))
            configs.append(Config(lanes, rows, 256, AT_END, loop, 4))
        configs += [Config(16, 2, 256, trigger, loop, 8) for trigger in (AT_ONCE, AT_END)]
        configs += [Config(16, 4, 128, trigger, loop, 8) for trigger in (AT_ONCE, AT_END)]
    return configs


def focused() -> list[Config]:
    """Round 2: the neighbourhood of round 1's winners."""
    names = """
        l16r1b128t1 l16r1b192t1 l16r1b256t1 l16r1b320t1 l16r1b384t1 l16r1b512t1 l8r1b128t1 l8r1b96t1
        l16r1b256t2 l16r1b512t2 l16r1b1024t2 l16r2b256t2 l16r2b384t2 l16r2b512t2 l16r2b192t2 l16r2b128t2
        l16r3b128t2 l16r3b256t2 l16r4b128t2 l16r4b256t2 l16r4b512t2 l16r4b128t3 l16r4b256t3
        l8r1b128t2 l8r1b256t2 l8r1b512t2 l8r1b256t3 l8r2b64t1 l8r2b64t2 l8r2b128t1 l8r2b128t2 l8r2b256t2 l8r2b128t3
        l8r3b128t2 l8r3b128t3 l8r4b64t2 l8r4b64t3 l8r4b128t2 l8r4b128t3 l16r2b128t1 l16r2b64t2 l8r1b64t2
        l16r1b256t2p4 l16r1b256t3p4 l16r1b256t3p5 l16r1b256t3p6 l16r1b512t3p2 l16r1b128t3p8
        l16r2b256t2p4 l16r2b256t3p3 l16r2b256t3p4 l16r2b256t3p5 l16r2b256t3p6 l16r2b512t3p2 l16r2b512t3p3
        l16r2b128t3p6 l16r2b128t3p8 l16r2b128t3p10 l16r4b256t3p3 l16r4b256t3p4 l16r4b128t3p6 l16r4b128t3p10
        l8r1b256t3p4 l8r1b128t3p8 l8r2b256t3p3 l8r2b128t3p6 l8r2b128t3p8 l16r2b128t3p8f l16r1b256t3p4f
    """
    return [Config.parse(name) for name in names.split()]


def final() -> list[Config]:
    """Round 3: what the first two rounds left standing, measured again on another machine."""
    names = """
        l16r1b128t1 l16r1b192t1 l16r1b256t1 l16r1b320t1 l8r1b96t1 l8r1b256t2 l8r2b128t1 l8r2b128t2 l8r4b128t3
        l16r2b192t2 l16r2b256t2 l16r2b384t2 l16r3b256t2 l16r4b128t3 l16r2b128t2 l16r3b128t2
        l16r2b128t3p8f l8r2b128t3p6 l8r1b128t3p8 l16r2b256t3p5
    """
    return [Config.parse(name) for name in names.split()]


def latest() -> list[Config]:
    """Round 4: radix 4, an early fetch of x, and two later early triggers, on what round 3 left standing."""
    names = """
        l16r1b128t1s l16r1b192t1s l16r1b256t1s l16r1b128t1se l16r1b192t1se l16r1b256t1se
        l16r1b128t4s l16r1b192t4s l16r1b256t4s l16r1b128t4se l16r1b192t4se l16r1b256t4se
        l16r1b256t5s l16r1b128t5se l16r1b192t5se l16r1b256t5se
        l16r1b256t1 l16r1b192t1
        l8r1b256t2 l8r1b256t2e l16r1b256t2s l16r1b256t2se l16r2b128t2 l16r2b128t2e l16r2b128t4e l16r2b128t1e
        l8r4b128t3 l8r4b128t3e l16r3b128t2 l16r3b128t2e l16r2b128t3p8f l16r2b128t3p8fe l16r2b192t2e
    """
    return [Config.parse(name) for name in names.split()]


def from_table(device: str, head_dim: int, rows: list[tuple[int, int, int]]) -> list[Config]:
    """What native/kernels/launch_table.json picks for these rows on a device."""
    table = load_table(device)
    return list(dict.fromkeys(choose(table, head_dim, (gqa + 1) * kv, tokens) for gqa, kv, tokens in rows))


def every_config() -> list[Config]:
    """All of them, each once."""
    return list(dict.fromkeys(broad() + focused() + final() + latest()))


def scaled(configs: list[Config], head_dim: int) -> list[Config]:
    """The same configurations with as many chunks per lane at another head dim, where lanes can be had."""
    return list(dict.fromkeys(replace(c, lanes=min(32, max(1, c.lanes * head_dim // 128))) for c in configs))


def odd() -> list[Config]:
    """For head dims that are no power of two, or large: how many lanes, mostly."""
    return [
        Config(lanes, rows, block, trigger)
        for lanes in (2, 4, 8, 16, 32)
        for rows in (1, 2)
        for block, trigger in ((128, WHEN_LOADED), (256, AT_ONCE))
    ]
