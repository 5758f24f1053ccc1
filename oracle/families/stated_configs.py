"""Families that transformers does not have: their configurations and the keys of the classes they bring
along.
"""

from dataclasses import dataclass, field

from .family import sizes
from .stated_math import BailingMoe, Llada2Moe, Sdar


@dataclass(frozen=True)
class StatedVariant:
    """`block` is the size of the attention mask's blocks; 1 is causal."""

    name: str
    config: dict
    block: int = 1


@dataclass(frozen=True)
class StatedFamily:
    """`defaults` are the keys of the config class that the checkpoints bring along, with its defaults."""

    name: str
    statement: type
    variants: tuple
    defaults: dict
    aliases: dict = field(default_factory=dict)


BAILING_DEFAULTS = {
    "vocab_size": 157184,
    "hidden_size": 2048,
    "intermediate_size": 5120,
    "num_hidden_layers": 20,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "hidden_act": "silu",
    "use_qkv_bias": False,
    "use_bias": False,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": False,
    "embedding_dropout": 0.0,
    "attention_dropout": 0.0,
    "output_dropout": 0.0,
    "initializer_range": 0.02,
    "max_position_embeddings": 32768,
    "rope_theta": 600000.0,
    "use_cache": True,
    "max_window_layers": 20,
    "rope_scaling": None,
    "pad_token_id": 156892,
    "eos_token_id": 156892,
    "num_experts": 256,
    "num_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "moe_intermediate_size": 512,
    "first_k_dense_replace": 1,
    "head_dim": 128,
    "output_router_logits": False,
    "use_qk_norm": True,
    "partial_rotary_factor": 1.0,
    "num_nextn_predict_layers": 0,
    "mtp_loss_scaling_factor": 0,
    "moe_router_enable_expert_bias": True,
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": True,
    "score_function": "sigmoid",
    "router_dtype": "fp32",
    "rotary_dim": None,
}

LLADA2_DEFAULTS = {
    "vocab_size": 30592,
    "hidden_size": 1024,
    "intermediate_size": None,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 0,
    "hidden_act": "silu",
    "use_qkv_bias": False,
    "use_qk_norm": True,
    "use_bias": True,
    "rms_norm_eps": 1e-05,
    "norm_head": False,
    "tie_word_embeddings": False,
    "embedding_dropout": 0.1,
    "attention_dropout": 0.1,
    "output_dropout": 0.1,
    "initializer_range": 0.02,
    "max_position_embeddings": 16384,
    "rope_theta": 10000.0,
    "use_cache": True,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "rope_scaling": None,
    "pad_token_id": 126081,
    "num_experts": 16,
    "num_shared_experts": 0,
    "num_experts_per_tok": 2,
    "n_group": 8,
    "topk_group": 4,
    "routed_scaling_factor": 2.5,
    "moe_intermediate_size": None,
    "first_k_dense_replace": 0,
    "head_dim": None,
    "output_router_logits": False,
    "partial_rotary_factor": 0.5,
}

SDAR_DEFAULTS = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-06,
    "use_cache": True,
    "tie_word_embeddings": False,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "attention_bias": False,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "attention_dropout": 0.0,
}


def bailing(model_type, architecture, **changes):
    config = {
        "architectures": [architecture],
        "model_type": model_type,
        **sizes(),
        "pad_token_id": 0,
        "hidden_act": "silu",
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "rope_theta": 600000.0,
        "rope_scaling": None,
        "partial_rotary_factor": 0.5,
        "use_qk_norm": True,
        "use_qkv_bias": False,
        "use_bias": False,
        "tie_word_embeddings": False,
        "attention_dropout": 0.0,
        "num_experts": 8,
        "num_shared_experts": 1,
        "num_experts_per_tok": 3,
        "n_group": 4,
        "topk_group": 2,
        "moe_intermediate_size": 8,
        "first_k_dense_replace": 1,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "score_function": "sigmoid",
        "torch_dtype": "bfloat16",
        "use_cache": True,
        **changes,
    }
    return config


def sdar(**changes):
    return {
        "architectures": ["SDARForCausalLM"],
        "model_type": "sdar",
        **sizes(),
        "hidden_act": "silu",
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "rope_scaling": None,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        **changes,
    }


BAILING_BIASED = {
    "num_hidden_layers": 2,
    "head_dim": 8,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "use_qkv_bias": True,
    "use_bias": True,
    "first_k_dense_replace": 0,
    "num_experts": 4,
    "num_shared_experts": 2,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "routed_scaling_factor": 1.0,
}

FAMILIES = (
    StatedFamily(
        "bailing-moe",
        BailingMoe,
        (
            StatedVariant("ling-mini", bailing("bailing_moe", "BailingMoeV2ForCausalLM")),
            StatedVariant(
                "biased",
                bailing(
                    "bailing_moe",
                    "BailingMoeV2ForCausalLM",
                    **BAILING_BIASED,
                    partial_rotary_factor=1.0,
                    rotary_dim=4,
                    tie_word_embeddings=True,
                ),
            ),
            StatedVariant(
                "plain",
                bailing("bailing_moe", "BailingMoeV2ForCausalLM", use_qk_norm=False, num_hidden_layers=2),
            ),
        ),
        BAILING_DEFAULTS,
    ),
    StatedFamily(
        "llada2-moe",
        Llada2Moe,
        (
            StatedVariant("blocks", bailing("llada2_moe", "LLaDA2MoeModelLM", norm_head=False), block=4),
            StatedVariant(
                "causal",
                bailing("llada2_moe", "LLaDA2MoeModelLM", norm_head=False, **BAILING_BIASED),
            ),
        ),
        LLADA2_DEFAULTS,
    ),
    StatedFamily(
        "sdar",
        Sdar,
        (
            StatedVariant("blocks", sdar(block_size=4), block=4),
            StatedVariant(
                "causal",
                sdar(
                    num_hidden_layers=2,
                    head_dim=8,
                    rope_theta=10000.0,
                    rms_norm_eps=1e-5,
                    attention_bias=True,
                    tie_word_embeddings=True,
                ),
            ),
        ),
        SDAR_DEFAULTS,
        aliases={"block_size": "tokens of a block of the attention mask; carried, not read by the class"},
    ),
)
