"""The mathematics of Bailing-MoE (Ling 2), LLaDA2-MoE and SDAR, stated in PyTorch.

transformers has none of the three: their checkpoints bring code of their own. What that code computes is
stated here over the checkpoint's tensors by name, so that a golden file can be made; it is no port of it and
knows neither training nor a cache. All three are decoders with pre-norms whose attention gives q and k of
each head an RMS norm with a weight, rounded to the input's dtype before the weight is multiplied, and then
rotates the first `rotary_dim` values, half against half.
"""

import math

import torch
import torch.nn.functional as F


def rms_norm(x, weight, eps):
    """x / sqrt(mean(x^2) + eps) over the last axis in float32, rounded to x's dtype, times the weight."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x, positions, theta, rotary_dim):
    """x [T, H, D]: value i of the first half of `rotary_dim` turns against value i of its second half."""
    frequencies = theta ** (-torch.arange(0, rotary_dim, 2).float() / rotary_dim)
    angles = positions[:, None].float() * frequencies  # [T, rotary_dim / 2]
    cos, sin = angles.cos().to(x.dtype)[:, None], angles.sin().to(x.dtype)[:, None]
    a, b, rest = x.split([rotary_dim // 2, rotary_dim // 2, x.shape[-1] - rotary_dim], dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1)


def block_mask(tokens, block):
    """[T, T] additive: a token sees all before it and its whole block of `block` tokens; 1 is causal."""
    index = torch.arange(tokens)
    hidden = index[None, :] // block > index[:, None] // block
    return torch.zeros(tokens, tokens).masked_fill(hidden, float("-inf"))


def swiglu(weights, prefix, x):
    gate, up, down = (weights[f"{prefix}.{name}_proj.weight"] for name in ("gate", "up", "down"))
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


class Decoder:
    """Logits [T, V] of ids [T]; what the subclass adds is where its tensors lie and its feed-forward."""

    embedding = "model.embed_tokens.weight"
    attention = "self_attn"

    def __init__(self, config, weights, dtype):
        self.config = config
        self.weights = {
            name: tensor if name.endswith("expert_bias") else tensor.to(dtype)
            for name, tensor in weights.items()
        }
        self.eps = config["rms_norm_eps"]
        self.head_dim = config["head_dim"]
        self.rotary_dim = self.head_dim

    def linear(self, name, x):
        return F.linear(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def norm(self, name, x):
        return rms_norm(x, self.weights[f"{name}.weight"], self.eps)

    def attend(self, prefix, x, mask, seen):
        """x [T, C]; `seen` takes what a golden file holds of the first layer."""
        tokens = len(x)
        q, k, v = self.heads(prefix, x)  # [T, H, D]
        normed = [(q, self.query_norm), (k, self.key_norm)]
        if self.has_qk_norm:
            q, k = (self.norm(f"{prefix}.{name}", states) for states, name in normed)
        seen |= {"hidden": x, "q_before": normed[0][0], "k_before": normed[1][0], "q_norm": q, "k_norm": k}
        positions = torch.arange(tokens)
        q, k = (rotate(states, positions, self.config["rope_theta"], self.rotary_dim) for states in (q, k))
        seen |= {"q_scores": q, "k_scores": k}
        groups = q.shape[1] // k.shape[1]
        k, v = (states.repeat_interleave(groups, dim=1) for states in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(self.head_dim)
        weights = (scores + mask.to(scores.dtype)).softmax(-1, dtype=torch.float32).to(x.dtype)
        mixed = torch.einsum("hqk,khd->qhd", weights, v).reshape(tokens, -1)
        seen["output"] = self.linear(f"{prefix}.{self.output}", mixed)
        return seen["output"]

    def logits(self, ids, block=1):
        """Logits [T, V] in the weights' dtype, and the first layer's states."""
        x = self.weights[self.embedding][ids]
        mask, first = block_mask(len(ids), block), {}
        for index in range(self.config["num_hidden_layers"]):
            layer, seen = f"model.layers.{index}", {}
            x = x + self.attend(
                f"{layer}.{self.attention}", self.norm(f"{layer}.input_layernorm", x), mask, seen
            )
            x = x + self.feed_forward(index, self.norm(f"{layer}.post_attention_layernorm", x))
            first = first or seen
        head = self.embedding if self.config["tie_word_embeddings"] else "lm_head.weight"
        return F.linear(self.norm("model.norm", x), self.weights[head]), first


class Sdar(Decoder):
    """Qwen3's mathematics under a mask of blocks: a block is refined as a whole, blocks follow each other."""

    has_qk_norm = True
    query_norm, key_norm, output = "q_norm", "k_norm", "o_proj"

    def heads(self, prefix, x):
        return [
            self.linear(f"{prefix}.{name}_proj", x).unflatten(-1, (-1, self.head_dim))
            for name in ("q", "k", "v")
        ]

    def feed_forward(self, index, x):
        return swiglu(self.weights, f"model.layers.{index}.mlp", x)


class BailingMoe(Decoder):
    """Ling 2: q, k and v packed by kind, half of a head rotated, experts chosen by sigmoid within groups."""

    embedding = "model.word_embeddings.weight"
    attention = "attention"
    query_norm, key_norm, output = "query_layernorm", "key_layernorm", "dense"

    def __init__(self, config, weights, dtype):
        super().__init__(config, weights, dtype)
        self.has_qk_norm = config["use_qk_norm"]
        self.rotary_dim = config.get("rotary_dim") or int(self.head_dim * config["partial_rotary_factor"])

    def heads(self, prefix, x):
        heads, groups = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        packed = self.linear(f"{prefix}.query_key_value", x).unflatten(-1, (-1, self.head_dim))
        return packed.split([heads, groups, groups], dim=1)

    def feed_forward(self, index, x):
        prefix = f"model.layers.{index}.mlp"
        if index < self.config["first_k_dense_replace"]:
            return swiglu(self.weights, prefix, x)
        chosen, weights = self.route(f"{prefix}.gate", x)
        # [T, k, C]: each token's chosen experts one by one, weighed and summed in float32.
        outputs = torch.stack(
            [
                torch.stack([swiglu(self.weights, f"{prefix}.experts.{e}", row) for e in experts.tolist()])
                for row, experts in zip(x, chosen)
            ]
        )
        routed = (outputs.float() * weights[..., None]).sum(1).to(x.dtype)
        if self.config["num_shared_experts"]:
            routed = routed + swiglu(self.weights, f"{prefix}.shared_experts", x)
        return routed

    def route(self, prefix, x):
        """Chosen experts [T, k] and their weights [T, k] in float32.

        Scores are sigmoids in float32. The bias of an expert takes part in the choice and not in the weight:
        the `topk_group` groups whose two best biased scores add up highest stay in, and of those the k best
        experts.
        """
        scores = F.linear(x.float(), self.weights[f"{prefix}.weight"].float()).sigmoid()
        biased = scores + self.weights[f"{prefix}.expert_bias"].float()
        grouped = biased.unflatten(-1, (self.config["n_group"], -1))  # [T, groups, experts of a group]
        kept = grouped.topk(2, dim=-1).values.sum(-1).topk(self.config["topk_group"], dim=-1).indices
        out = torch.ones(grouped.shape[:2], dtype=torch.bool).scatter(1, kept, False)
        count = self.config["num_experts_per_tok"]
        chosen = grouped.masked_fill(out[..., None], float("-inf")).flatten(1).topk(count, dim=-1).indices
        weights = scores.gather(1, chosen)
        if count > 1:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return chosen, weights * self.config["routed_scaling_factor"]


class Llada2Moe(BailingMoe):
    """Ling 2's mathematics under a mask of blocks."""
