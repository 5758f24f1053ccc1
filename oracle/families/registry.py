"""The families by the name of their folder, and what writes each."""

from . import across_heads, after_rope, controls, gemma4, layer_norm, one_plus_weight, per_head
from . import block_configs, blocks, golden, keys, per_head_moe, qwen_like, stated, stated_configs

GROUPS = (
    qwen_like,
    per_head,
    per_head_moe,
    after_rope,
    one_plus_weight,
    gemma4,
    across_heads,
    layer_norm,
    controls,
    stated_configs,
    block_configs,
)
FAMILIES = {family.name: family for group in GROUPS for family in group.FAMILIES}


def writers(family):
    """write_variant(out, family, variant) and config_keys(out, family) for this kind of family."""
    if isinstance(family, stated_configs.StatedFamily):
        return stated.write_variant, stated.config_keys
    if isinstance(family, block_configs.BlockFamily):
        return blocks.write_variant, blocks.config_keys
    return golden.write_variant, keys.config_keys
