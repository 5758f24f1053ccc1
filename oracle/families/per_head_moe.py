"""An RMS norm per head before RoPE, in mixtures of experts that a sigmoid routes."""

from .family import Family, Variant, flat_rope, llama3, rope, sizes, yarn

EXAONE_MOE = Family(
    "exaone-moe",
    "exaone_moe",
    variants=(
        Variant(
            "hybrid",
            sizes(
                head_dim=16,
                rope_parameters=llama3(1000000.0),
                rms_norm_eps=1e-5,
                sliding_window=5,
                sliding_window_pattern="LLG",
                layer_types=["sliding_attention", "sliding_attention", "full_attention"],
                first_k_dense_replace=1,
                num_experts=8,
                num_experts_per_tok=2,
                num_shared_experts=1,
                moe_intermediate_size=8,
                n_group=4,
                topk_group=2,
                norm_topk_prob=True,
                routed_scaling_factor=2.5,
            ),
            extra={"mtp.norm.weight": [32], "mtp.layers.0.self_attn.q_norm.weight": [16]},
        ),
        Variant(
            "dense-last",
            sizes(
                num_hidden_layers=2,
                rope_parameters=rope(10000.0),
                sliding_window=6,
                layer_types=["full_attention", "sliding_attention"],
                mlp_layer_types=["sparse", "dense"],
                num_experts=4,
                num_experts_per_tok=3,
                num_shared_experts=2,
                moe_intermediate_size=8,
                norm_topk_prob=False,
                routed_scaling_factor=1.0,
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

DOTS1 = Family(
    "dots1",
    "dots1",
    variants=(
        Variant(
            "windowed",
            sizes(
                head_dim=16,
                rope_parameters=rope(10000000.0),
                rms_norm_eps=1e-5,
                sliding_window=5,
                max_window_layers=2,
                first_k_dense_replace=1,
                n_routed_experts=8,
                num_experts_per_tok=2,
                n_shared_experts=2,
                moe_intermediate_size=8,
                n_group=2,
                topk_group=1,
                norm_topk_prob=True,
                routed_scaling_factor=2.5,
            ),
            older=flat_rope(10000000.0, layer_types=None),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                rope_parameters=yarn(10000.0),
                attention_bias=True,
                sliding_window=None,
                first_k_dense_replace=0,
                n_routed_experts=4,
                num_experts_per_tok=2,
                n_shared_experts=1,
                moe_intermediate_size=8,
                norm_topk_prob=False,
                routed_scaling_factor=1.0,
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

HY_V3 = Family(
    "hy-v3",
    "hy_v3",
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                rope_parameters=rope(11158840.0),
                rms_norm_eps=1e-5,
                num_experts=8,
                num_experts_per_tok=3,
                num_shared_experts=1,
                moe_intermediate_size=8,
                router_scaling_factor=2.826,
                enable_moe_fp32_combine=True,
            ),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=rope(10000.0),
                attention_bias=True,
                mlp_bias=True,
                num_experts=4,
                num_experts_per_tok=2,
                num_shared_experts=2,
                moe_intermediate_size=8,
                router_scaling_factor=1.0,
                enable_moe_fp32_combine=False,
                mlp_layer_types=["sparse", "dense"],
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

LAGUNA = Family(
    "laguna",
    "laguna",
    variants=(
        Variant(
            "per-head-gate",
            sizes(
                head_dim=16,
                rope_parameters={
                    "full_attention": yarn(500000.0, partial_rotary_factor=0.5, beta_fast=32, beta_slow=1),
                    "sliding_attention": rope(10000.0, partial_rotary_factor=1.0),
                },
                rms_norm_eps=1e-6,
                sliding_window=5,
                layer_types=["full_attention", "sliding_attention", "sliding_attention"],
                num_attention_heads_per_layer=[4, 6, 6],
                gating="per-head",
                num_experts=8,
                num_experts_per_tok=2,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=16,
                moe_routed_scaling_factor=2.5,
                moe_router_logit_softcapping=1.5,
            ),
        ),
        Variant(
            "per-value-gate",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters={"full_attention": rope(10000.0)},
                attention_bias=True,
                gating="per-element",
                num_experts=4,
                num_experts_per_tok=2,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=8,
                mlp_layer_types=["sparse", "dense"],
                tie_word_embeddings=True,
            ),
            stacked=True,
        ),
    ),
)

AFMOE = Family(
    "afmoe",
    "afmoe",
    variants=(
        Variant(
            "published",
            sizes(
                head_dim=16,
                num_hidden_layers=4,
                rope_parameters=rope(10000.0),
                rms_norm_eps=1e-5,
                sliding_window=5,
                global_attn_every_n_layers=4,
                num_dense_layers=2,
                num_experts=8,
                num_experts_per_tok=2,
                num_shared_experts=1,
                moe_intermediate_size=8,
                route_scale=2.448,
                mup_enabled=True,
            ),
            older=flat_rope(10000.0, layer_types=None),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=rope(500000.0),
                attention_bias=True,
                layer_types=["full_attention", "sliding_attention"],
                sliding_window=6,
                num_dense_layers=0,
                num_experts=4,
                num_experts_per_tok=3,
                num_shared_experts=2,
                moe_intermediate_size=8,
                route_scale=1.0,
                mup_enabled=False,
            ),
            stacked=True,
        ),
    ),
)

FAMILIES = (EXAONE_MOE, DOTS1, HY_V3, LAGUNA, AFMOE)
