"""Attention blocks of diffusion transformers: the classes of diffusers and their arguments."""

from dataclasses import dataclass

from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_flux import FluxAttention
from diffusers.models.transformers.transformer_wan import WanAttention

IMAGE, TEXT = 11, 6
# WanAttention takes the last 512 of its context for text, whatever their number.
WAN_TEXT = 512


@dataclass(frozen=True)
class Block:
    """`arguments` go to the class; `context` is the number of tokens of the second stream, 0 for none."""

    name: str
    prefix: str
    arguments: dict
    context: int = 0
    rope: bool = False
    joint: bool = True


@dataclass(frozen=True)
class BlockFamily:
    name: str
    module: type
    variants: tuple


FLUX_SIZES = {"query_dim": 32, "heads": 4, "dim_head": 8, "out_dim": 32, "bias": True, "eps": 1e-6}
SD3_SIZES = {
    "query_dim": 32,
    "heads": 4,
    "dim_head": 8,
    "out_dim": 32,
    "bias": True,
    "eps": 1e-6,
    "qk_norm": "rms_norm",
}
WAN_SIZES = {"dim": 32, "heads": 4, "dim_head": 8, "eps": 1e-6}

FAMILIES = (
    BlockFamily(
        "flux",
        FluxAttention,
        (
            Block(
                "joint",
                "transformer_blocks.0.attn",
                {**FLUX_SIZES, "added_kv_proj_dim": 32, "context_pre_only": False},
                context=TEXT,
                rope=True,
            ),
            Block(
                "single",
                "single_transformer_blocks.0.attn",
                {**FLUX_SIZES, "pre_only": True},
                rope=True,
            ),
        ),
    ),
    BlockFamily(
        "sd3",
        Attention,
        (
            Block(
                "joint",
                "transformer_blocks.0.attn",
                {**SD3_SIZES, "added_kv_proj_dim": 32, "context_pre_only": False},
                context=TEXT,
            ),
            Block(
                "last",
                "transformer_blocks.0.attn",
                {**SD3_SIZES, "added_kv_proj_dim": 32, "context_pre_only": True},
                context=TEXT,
            ),
            Block("image-alone", "transformer_blocks.0.attn2", SD3_SIZES),
            Block(
                "plain",
                "transformer_blocks.0.attn",
                {**SD3_SIZES, "added_kv_proj_dim": 32, "context_pre_only": False, "qk_norm": None},
                context=TEXT,
            ),
        ),
    ),
    BlockFamily(
        "wan",
        WanAttention,
        (
            Block("self", "blocks.0.attn1", WAN_SIZES, rope=True),
            Block(
                "cross",
                "blocks.0.attn2",
                {**WAN_SIZES, "cross_attention_dim_head": 8},
                context=TEXT,
                joint=False,
            ),
            Block(
                "cross-with-image",
                "blocks.0.attn2",
                {**WAN_SIZES, "cross_attention_dim_head": 8, "added_kv_proj_dim": 32},
                context=WAN_TEXT + TEXT,
                joint=False,
            ),
        ),
    ),
)
