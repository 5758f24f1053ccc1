"""The launch configurations that are measured."""

from qk_norm import Config

AT_EXIT, AT_ONCE, WHEN_LOADED, AT_END = 0, 1, 2, 3


def every_config() -> list[Config]:
    """All of them, at head dim 128."""
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
