"""The formula in f64 (packages/core/src/reference.ts), on the GPU, and how far results are from it."""

import torch

from qk_norm import BF16, F16, F32, L2, LAYER, Spec

TORCH = {F32: torch.float32, BF16: torch.bfloat16, F16: torch.float16}


def reference(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float, spec: Spec
) -> torch.Tensor:
    """[T, H, D] of spec.dtype: every value rounded where the spec rounds, and nowhere else."""

    def rounded(value: torch.Tensor) -> torch.Tensor:
        return value.to(TORCH[spec.dtype]).double()

    wide = x.double()
    mean = wide.mean(-1, keepdim=True) if spec.kind == LAYER else 0.0
    squares = ((wide - mean) ** 2).sum(-1, keepdim=True)
    normal = (wide - mean) / torch.sqrt((squares if spec.kind == L2 else squares / x.shape[-1]) + eps)
    if spec.hf:
        normal = rounded(normal)
    if weight is not None:
        normal = normal * (spec.offset + weight.double())
    if bias is not None:
        normal = (rounded(normal) if spec.hf else normal) + bias.double()
    return normal.to(TORCH[spec.dtype])


def _ordered(x: torch.Tensor) -> torch.Tensor:
    bits = x.contiguous().view(torch.int32 if x.dtype == torch.float32 else torch.int16).long()
    lowest = -(1 << (31 if x.dtype == torch.float32 else 15))
    return torch.where(bits < 0, lowest - bits, bits)


def ulps(result: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Distance in representable numbers."""
    return (_ordered(result) - _ordered(expected)).abs()


class Case:
    """q, k and v in one packed buffer with guards, weights, and what must come out."""

    def __init__(
        self, spec: Spec, heads: tuple[int, int], tokens: int, *, per_head: bool = False, head_stride: int = 0,
        misalign: int = 0, seed: int = 0,
    ) -> None:
        generator = torch.Generator("cuda").manual_seed(seed)
        dim = spec.head_dim
        stride = head_stride or dim
        dtype = TORCH[spec.dtype]

        def draw(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, device="cuda", generator=generator)

        self.spec, self.heads, self.tokens, self.head_stride = spec, heads, tokens, stride
        # [guard, T, Hq + Hkv + Hkv (v), stride, guard]; misalign moves everything by some elements.
        self.all_heads = heads[0] + 2 * heads[1]
        self.token_stride = self.all_heads * stride + (8 if not misalign else misalign)
        size = tokens * self.token_stride
        self.start = 64 + misalign
        self.memory = draw(size + 128 + misalign).to(dtype)
        self.memory[self.start : self.start + size] *= draw(1).exp() * 2
        if spec.kind == LAYER:
            self.memory += 0.5
        self.before = self.memory.clone()
        self.output = torch.full_like(self.memory, 7.0) if not spec.in_place else self.memory
        weight_dtype = TORCH[spec.weight_dtype]
        shapes = [(h, dim) if per_head else (1, dim) for h in heads]
        scale = 0.3 if spec.offset else 1.0
        self.weights = [(draw(*s) * scale).to(weight_dtype) if spec.weight else None for s in shapes]
        self.biases = [draw(*s).to(weight_dtype) if spec.bias else None for s in shapes]
        self.weight_head_stride = dim if per_head else 0
        self.eps = (1e-6, 1e-5)

    def rows(self, memory: torch.Tensor, side: int) -> torch.Tensor:
        """[T, H, D] view of q (0), k (1) or v (2)."""
        count = self.heads[min(side, 1)]
        first = self.start + [0, self.heads[0], sum(self.heads)][side] * self.head_stride
        strides = (self.token_stride, self.head_stride, 1)
        return memory.as_strided((self.tokens, count, self.spec.head_dim), strides, first)

    def expected(self) -> torch.Tensor:
        """The whole output buffer, f64 arithmetic."""
        result = self.output.clone() if not self.spec.in_place else self.before.clone()
        for side in (0, 1):
            rows = self.rows(self.before, side)
            norm = reference(rows, self.weights[side], self.biases[side], self.eps[side], self.spec)
            self.rows(result, side).copy_(norm)
        return result

    def judge(self, expected: torch.Tensor) -> str:
        """An empty string, or what is wrong with the output."""
        distance = ulps(self.output, expected)
        normed = torch.zeros_like(distance, dtype=torch.bool)
        for side in (0, 1):
            self.rows(normed, side).fill_(True)
        if distance[~normed].any() or (not self.spec.in_place and not torch.equal(self.memory, self.before)):
            return "wrote outside q and k"
        if self.spec.dtype == F32:
            # Cancellation against a bias makes ulps of the result meaningless; the terms are of order one.
            error = (self.output[normed].double() - expected[normed].double()).abs()
            worst = (error / expected[normed].double().abs().clamp_min(0.25)).max().item()
            return "" if worst < 2e-6 else f"relative error {worst:.2e}"
        far = distance[normed]
        differing = int((far > 0).sum())
        if self.spec.bias or self.spec.kind == LAYER:
            # The same, for values near zero: there one step of the terms is many of the result.
            far = far[expected[normed].double().abs() >= 2.0**-4]
        # With "hf" rounding f32 arithmetic can put n on the other side of a tie; the weight then makes that one step
        # of n up to two steps of y.
        worst, twice = int(far.max()), int((far > 1).sum())
        fine = differing <= max(3, 0.001 * distance[normed].numel())
        fine = fine and worst <= (2 if self.spec.hf else 1) and twice <= max(1, 1e-4 * far.numel())
        return "" if fine else f"{worst} ulp, {differing} of {distance[normed].numel()} differ"
