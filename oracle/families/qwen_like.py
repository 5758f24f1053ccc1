"""Qwen3, its mixture of experts and GLM-4.5's: an RMS norm per head before RoPE."""

from .family import Family, Variant, flat_rope, rope, sizes, yarn

QWEN3 = Family(
    "qwen3",
    "qwen3",
    variants=(
        Variant(
            "windowed",
            sizes(
                head_dim=16,
                rope_parameters=rope(1000000.0),
                rms_norm_eps=1e-6,
                use_sliding_window=True,
                sliding_window=5,
                max_window_layers=1,
            ),
            older=flat_rope(1000000.0, layer_types=None),
        ),
        Variant(
            "biased",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=yarn(10000.0),
                rms_norm_eps=1e-5,
                attention_bias=True,
                tie_word_embeddings=True,
                hidden_act="gelu",
            ),
        ),
    ),
)

QWEN3_MOE = Family(
    "qwen3-moe",
    "qwen3_moe",
    variants=(
        Variant(
            "normalised",
            sizes(
                head_dim=16,
                rope_parameters=rope(1000000.0),
                rms_norm_eps=1e-6,
                num_experts=8,
                num_experts_per_tok=3,
                moe_intermediate_size=8,
                norm_topk_prob=True,
                mlp_only_layers=[1],
                decoder_sparse_step=1,
            ),
            older=flat_rope(1000000.0, num_local_experts=None, num_experts=8),
        ),
        Variant(
            "windowed",
            sizes(
                num_hidden_layers=2,
                head_dim=8,
                rope_parameters=yarn(10000.0),
                rms_norm_eps=1e-5,
                num_experts=4,
                num_experts_per_tok=2,
                moe_intermediate_size=16,
                norm_topk_prob=False,
                decoder_sparse_step=2,
                attention_bias=True,
                tie_word_embeddings=True,
                use_sliding_window=True,
                sliding_window=5,
            ),
            stacked=True,
        ),
    ),
)

GLM4_MOE = Family(
    "glm4-moe",
    "glm4_moe",
    aliases={"partial_rotary_factor": "in rope_parameters; 0.5 if absent"},
    variants=(
        Variant(
            "normed",
            sizes(
                head_dim=16,
                rope_parameters=rope(1000000.0, partial_rotary_factor=0.5),
                rms_norm_eps=1e-5,
                use_qk_norm=True,
                attention_bias=True,
                n_routed_experts=8,
                num_experts_per_tok=2,
                moe_intermediate_size=8,
                n_shared_experts=1,
                n_group=4,
                topk_group=2,
                norm_topk_prob=True,
                routed_scaling_factor=2.5,
                first_k_dense_replace=1,
                num_nextn_predict_layers=1,
            ),
            older=flat_rope(1000000.0, partial_rotary_factor=0.5),
            extra={
                "model.layers.3.enorm.weight": [32],
                "model.layers.3.hnorm.weight": [32],
                "model.layers.3.eh_proj.weight": [32, 64],
                "model.layers.3.shared_head.norm.weight": [32],
                "model.layers.3.self_attn.q_norm.weight": [16],
            },
        ),
        Variant(
            "plain",
            sizes(
                num_hidden_layers=2,
                head_dim=16,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.7),
                use_qk_norm=False,
                n_routed_experts=4,
                num_experts_per_tok=3,
                moe_intermediate_size=8,
                n_shared_experts=2,
                n_group=1,
                topk_group=1,
                norm_topk_prob=False,
                routed_scaling_factor=1.0,
                first_k_dense_replace=0,
                num_nextn_predict_layers=0,
            ),
            stacked=True,
        ),
    ),
)

FAMILIES = (QWEN3, QWEN3_MOE, GLM4_MOE)
