"""Values of the keys of mixtures of experts, drawn so that they fit together."""


def experts_of(draw, fields, layers):
    """A value for each key of `fields` that speaks of experts."""
    groups = draw.choice([1, 1, 2, 4])
    experts = groups * draw.choice([2, 3, 4])
    kept = draw.randint(1, groups)
    chosen = draw.randint(1, min(4, kept * experts // groups))
    values = {
        "num_experts": lambda: experts,
        "num_local_experts": lambda: experts,
        "n_routed_experts": lambda: experts,
        "num_experts_per_tok": lambda: chosen,
        "moe_topk": lambda: draw.choice([chosen, [draw.randint(1, chosen) for _ in range(layers)]]),
        "n_group": lambda: groups,
        "topk_group": lambda: kept,
        "moe_intermediate_size": lambda: draw.choice([8, 12, 20]),
        "intermediate_size_mlp": lambda: draw.choice([16, 36]),
        "shared_expert_intermediate_size": lambda: draw.choice([8, 24]),
        "n_shared_experts": lambda: draw.choice([1, 2, 3]),
        "num_shared_experts": lambda: draw.choice([1, 2]),
        "routed_scaling_factor": lambda: draw.choice([1.0, 2.5, 0.7]),
        "router_scaling_factor": lambda: draw.choice([1.0, 2.826]),
        "moe_routed_scaling_factor": lambda: draw.choice([1.0, 2.5]),
        "route_scale": lambda: draw.choice([1.0, 2.448]),
        "moe_router_logit_softcapping": lambda: draw.choice([0.0, 1.0, 30.0]),
        "first_k_dense_replace": lambda: draw.choice([0, 1, 2]),
        "num_dense_layers": lambda: draw.choice([0, 1, 2]),
        "decoder_sparse_step": lambda: draw.choice([1, 2, 3]),
        "interleave_moe_layer_step": lambda: draw.choice([1, 2]),
        "mlp_only_layers": lambda: draw.choice([None, [0], [1, 2]]),
        "moe_layers": lambda: draw.choice([None, [], [0], [0, 2]]),
        "mlp_layer_types": lambda: draw.choice([None, [draw.choice(["dense", "sparse"]) for _ in range(layers)]]),
        "clip_qkv": lambda: draw.choice([None, 0.5, 2.0]),
        "gating": lambda: draw.choice([True, "per-head", "per-element"]),
        "global_attn_every_n_layers": lambda: draw.choice([2, 3]),
        "attention_chunk_size": lambda: draw.choice([3, 7, 64]),
        "floor_scale": lambda: draw.choice([2, 8, 8192]),
        "attn_scale": lambda: draw.choice([0.1, 0.4]),
    }
    return {name: values[name]() for name in fields if name in values}
