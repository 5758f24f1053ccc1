"""RoPE and its scalings in both spellings, and sliding windows."""

from variant import Variant

ORIGINAL = 16  # trained positions, so that 24 tokens go beyond them and 12 do not


def ramp(start, count=8):
    return [round(start + 0.25 * i, 3) for i in range(count)]


SCALINGS = {
    "linear 2": dict(rope_type="linear", factor=2.0),
    "linear 4": dict(rope_type="linear", factor=4),
    "linear 1": dict(rope_type="linear", factor=1.0),
    "yarn 4": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=ORIGINAL),
    "yarn 2.5": dict(rope_type="yarn", factor=2.5, original_max_position_embeddings=ORIGINAL),
    "yarn without original": dict(rope_type="yarn", factor=2.0),
    "yarn betas": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=ORIGINAL, beta_fast=4, beta_slow=2),
    "yarn factor of attention": dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=ORIGINAL, attention_factor=1.5
    ),
    "yarn mscale": dict(
        rope_type="yarn", factor=8.0, original_max_position_embeddings=ORIGINAL, mscale=0.7, mscale_all_dim=1.3
    ),
    "yarn mscale alone": dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=ORIGINAL, mscale=0.7),
    "yarn not truncated": dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=ORIGINAL, truncate=False
    ),
    "yarn null factor": dict(rope_type="yarn", factor=None, original_max_position_embeddings=ORIGINAL),
    "llama3": dict(
        rope_type="llama3",
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=ORIGINAL,
    ),
    "llama3 32": dict(
        rope_type="llama3",
        factor=32.0,
        low_freq_factor=1.5,
        high_freq_factor=3.0,
        original_max_position_embeddings=40,
    ),
    "longrope": dict(
        rope_type="longrope",
        short_factor=ramp(1.0),
        long_factor=ramp(2.0),
        original_max_position_embeddings=ORIGINAL,
    ),
    "longrope factor": dict(
        rope_type="longrope",
        short_factor=ramp(1.0),
        long_factor=ramp(3.0),
        factor=3.0,
        original_max_position_embeddings=ORIGINAL,
    ),
    "longrope factor of attention": dict(
        rope_type="longrope",
        short_factor=ramp(1.5),
        long_factor=ramp(2.0),
        attention_factor=1.25,
        original_max_position_embeddings=ORIGINAL,
    ),
    "proportional": dict(rope_type="proportional", partial_rotary_factor=0.5),
    "proportional 2": dict(rope_type="proportional", partial_rotary_factor=0.75, factor=2.0),
    "default": dict(rope_type="default"),
}


def ropes():
    for name, scaling in SCALINGS.items():
        for tokens in (12, 40):
            old = dict(scaling)
            old["type"] = old.pop("rope_type")
            yield Variant(f"rope/{name}, rope_scaling.type, {tokens}", dict(rope_scaling=old), tokens=tokens)
            new = dict(scaling, rope_theta=20000.0)
            yield Variant(
                f"rope/{name}, rope_parameters, {tokens}",
                dict(rope_parameters=new),
                absent=("rope_theta",),
                tokens=tokens,
            )
    yield Variant("rope/rope_scaling.rope_type", dict(rope_scaling=SCALINGS["yarn 4"]), tokens=40)
    yield Variant("rope/rope_scaling with theta", dict(rope_scaling=dict(SCALINGS["yarn 4"], rope_theta=10000.0)), tokens=40)
    yield Variant("rope/empty rope_scaling", dict(rope_scaling={}))
    yield Variant("rope/null rope_scaling and rope_parameters", dict(rope_scaling=None, rope_parameters=None))
    yield Variant(
        "rope/both, of which rope_scaling wins",
        dict(rope_scaling=SCALINGS["linear 2"], rope_parameters=SCALINGS["llama3"]),
    )
    yield Variant(
        "rope/original beside rope_scaling",
        dict(rope_scaling=dict(SCALINGS["yarn 4"], original_max_position_embeddings=32), original_max_position_embeddings=16),
        tokens=40,
    )
    # Beyond max_position_embeddings the angles depend on the length.
    for factor in (1.0, 2.0, 4.0):
        for tokens in (10, 16, 17, 30):
            if tokens <= 16 * factor:
                yield Variant(
                    f"rope/dynamic {factor}, {tokens} of 16",
                    dict(rope_scaling=dict(type="dynamic", factor=factor), max_position_embeddings=16),
                    tokens=tokens,
                )
    for name in ("dynamic", "longrope", "yarn 4", "llama3"):
        scaling = SCALINGS.get(name, dict(rope_type="dynamic", factor=4.0))
        positions = 16 if name == "dynamic" else 64
        yield Variant(
            f"rope/{name}, generated across the original length",
            dict(rope_scaling=scaling, max_position_embeddings=positions, eos_token_id=None),
            tokens=12,
            generate=16,
        )


def windows():
    for window in (1, 4, 7, 24, 64, 4096):
        for first in (0, 1, 2):
            config = dict(use_sliding_window=True, sliding_window=window, max_window_layers=first)
            yield Variant(f"window/{window} from layer {first}", config)
    mixed = ["sliding_attention", "full_attention"]
    yield Variant("window/layer types", dict(use_sliding_window=True, sliding_window=5, layer_types=mixed))
    yield Variant("window/old names of layer types", dict(layer_types=["attention"] * 2))
    yield Variant("window/not used", dict(use_sliding_window=False, sliding_window=4, max_window_layers=0))
    yield Variant("window/null", dict(use_sliding_window=True, sliding_window=None, max_window_layers=0))
    yield Variant("window/absent", dict(use_sliding_window=True, max_window_layers=0))
    yield Variant(
        "window/generated",
        dict(use_sliding_window=True, sliding_window=6, max_window_layers=0, eos_token_id=None),
        tokens=9,
        generate=12,
    )


def masks():
    for tokens in (1, 2, 24):
        yield Variant(f"mask/is_causal false, {tokens} tokens", dict(is_causal=False), tokens=tokens)
    yield Variant("mask/is_causal true", dict(is_causal=True))
    yield Variant("mask/is_causal false, generated", dict(is_causal=False, eos_token_id=None), tokens=9, generate=8)


def variants():
    yield from masks()
    yield from ropes()
    yield from windows()
