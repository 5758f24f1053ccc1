"""Outputs of PyTorch's and transformers' own norm classes, for the project's float64 reference to be held to.

    python oracle/norms.py

Writes packages/core/golden/norms.safetensors and norms.json. Inputs are [T, H, D], one row a head, normalised
over D. Rows differ in scale from 1e-3 to 1e3 and one is all zeros. Tensors are `<name>/<dtype>/<D>/x`, `/y`
and, where the norm has them, `/weight` and `/bias`, all in the case's own dtype.

`rounding` says what the class's source does after normalising in float32. "hf": round to the input's dtype,
then apply the weight (and then the bias) in that dtype, each rounded again. "once": stay in float32, cast at
the end.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers.models.chameleon.modeling_chameleon import ChameleonLayerNorm
from transformers.models.cohere.modeling_cohere import CohereLayerNorm
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama4.modeling_llama4 import Llama4TextL2Norm
from transformers.models.olmo2.modeling_olmo2 import Olmo2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextRMSNorm, l2norm

from checkpoint import versions

ROOT = Path(__file__).resolve().parent.parent
TOKENS, HEADS = 6, 5
HEAD_DIMS = [64, 128, 80]
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
ZERO_ROW = 17


class L2Norm(torch.nn.Module):
    """x / sqrt(sum(x^2) + eps) by Qwen3-Next's function, which squares in x's dtype: give it float32."""

    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        return l2norm(x.float(), eps=self.eps).to(x.dtype)


class UnitNorm(torch.nn.Module):
    """F.normalize in float32: the length, or eps where it is shorter."""

    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        return torch.nn.functional.normalize(x.float(), dim=-1, eps=self.eps).to(x.dtype)


def spec(kind, eps, rounding, weight=True, bias=False, weight_offset=0):
    return {
        "kind": kind,
        "weight": weight,
        "bias": bias,
        "eps": eps,
        "weightOffset": weight_offset,
        "rounding": rounding,
    }


# name: (source, what it computes, how to make it for a head dim)
NORMS = {
    "qwen3_rms": (Qwen3RMSNorm, spec("rms", 1e-6, "hf"), lambda d: Qwen3RMSNorm(d, eps=1e-6)),
    "gemma3_rms": (
        Gemma3RMSNorm,
        spec("rms", 1e-6, "once", weight_offset=1),
        lambda d: Gemma3RMSNorm(d, eps=1e-6),
    ),
    "qwen3_next_rms": (
        Qwen3NextRMSNorm,
        spec("rms", 1e-6, "once", weight_offset=1),
        lambda d: Qwen3NextRMSNorm(d, eps=1e-6),
    ),
    "olmo2_rms": (Olmo2RMSNorm, spec("rms", 1e-5, "once"), lambda d: Olmo2RMSNorm(d, eps=1e-5)),
    # Called an L2 norm, but it divides by the root of the mean, not of the sum: an RMS norm without weight.
    "llama4_l2": (
        Llama4TextL2Norm,
        spec("rms", 1e-5, "once", weight=False),
        lambda d: Llama4TextL2Norm(eps=1e-5),
    ),
    "l2": (l2norm, spec("l2", 1e-6, "once", weight=False), lambda d: L2Norm(eps=1e-6)),
    "cohere_layer": (
        CohereLayerNorm,
        spec("layer", 1e-5, "once"),
        lambda d: CohereLayerNorm((HEADS, d), eps=1e-5),
    ),
    "torch_layer": (
        torch.nn.LayerNorm,
        spec("layer", 1e-5, "once", bias=True),
        lambda d: torch.nn.LayerNorm(d, eps=1e-5),
    ),
    "chameleon_layer": (
        ChameleonLayerNorm,
        spec("layer", 1e-5, "hf", bias=True),
        lambda d: ChameleonLayerNorm((HEADS, d)),
    ),
    "unit": (
        torch.nn.functional.normalize,
        spec("unit", 0.25, "once", weight=False),
        lambda d: UnitNorm(eps=0.25),
    ),
}


def rows(head_dim, dtype, generator):
    """x [T, H, D]: off-centre rows at scales from 1e-3 to 1e3, and one of zeros."""
    count = TOKENS * HEADS
    scale = torch.logspace(-3, 3, count)[torch.randperm(count, generator=generator)]
    centre = torch.randn(count, 1, generator=generator)
    x = (torch.randn(count, head_dim, generator=generator) + centre) * scale[:, None]
    x[ZERO_ROW] = 0
    return x.view(TOKENS, HEADS, head_dim).to(dtype)


@torch.no_grad()
def case(name, dtype_name, head_dim, generator):
    """The case's metadata and its tensors."""
    source, what, make = NORMS[name]
    norm = make(head_dim)
    if what["weight"]:
        spread = 0.4 * torch.randn(norm.weight.shape, generator=generator)
        norm.weight.copy_(1 - what["weightOffset"] + spread)
    if what["bias"]:
        norm.bias.copy_(0.3 * torch.randn(norm.bias.shape, generator=generator))
    norm = norm.to(DTYPES[dtype_name])
    x = rows(head_dim, DTYPES[dtype_name], generator)
    tensors = {"x": x, "y": norm(x), **dict(norm.named_parameters())}
    assert tensors["y"].dtype == x.dtype and tensors["y"].isfinite().all()
    prefix = f"{name}/{dtype_name}/{head_dim}"
    about = {
        "name": name,
        "spec": what,
        "dtype": dtype_name,
        "headDim": head_dim,
        "tensors": prefix,
        "source": f"{source.__module__}.{source.__qualname__}",
    }
    return about, {f"{prefix}/{key}": t.detach().contiguous() for key, t in tensors.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "packages" / "core" / "golden")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(args.seed)
    cases, tensors = [], {}
    for name in NORMS:
        for dtype_name in DTYPES:
            for head_dim in HEAD_DIMS:
                about, made = case(name, dtype_name, head_dim, generator)
                cases.append(about)
                tensors |= made
    file = args.out / "norms.safetensors"
    save_file(tensors, file)
    file.chmod(0o644)
    head = json.dumps(
        {
            "seed": args.seed,
            "device": "cpu",
            "shape": [TOKENS, HEADS, "headDim"],
            "zeroRow": [ZERO_ROW // HEADS, ZERO_ROW % HEADS],
            "versions": versions(),
        }
    )
    lines = ",\n".join(f"    {json.dumps(about)}" for about in cases)
    (args.out / "norms.json").write_text(f'{head[:-1]},\n  "cases": [\n{lines}\n  ]\n}}\n')
    print(f"{len(cases)} cases, {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
