/**
 * Python models in which somebody keeps q or k as it was before the step, or seems to; and models whose norm is not what the helper
 * expects. Each returns what was kept, so that a helper that overwrites its inputs shows. A seed names a case.
 */
import type { PythonCase } from "./python-cases.ts";
import { headDim, picker, sideOf } from "./python-spellings.ts";

/** Statements before the step, `$` being the tensor that is kept, and what the model returns besides. */
interface Keeper {
  readonly before: readonly string[];
  readonly kept?: string;
}

const keepers: Readonly<Record<string, Keeper>> = {
  nobody: { before: [] },
  "a name": { before: ["raw = $"], kept: "raw" },
  "a list": { before: ["raw = [v, $]"], kept: "raw[1]" },
  "a dict": { before: ['raw = {"x": $}'], kept: 'raw["x"]' },
  "a set of keywords": { before: ["raw = dict(x=$)"], kept: 'raw["x"]' },
  "a tuple taken apart": { before: ["pair = v, $", "_, raw = pair"], kept: "raw" },
  "a star": { before: ["_, *raw = v, $"], kept: "raw[0]" },
  "an append": { before: ["raw = []", "raw.append($)"], kept: "raw[0]" },
  setdefault: { before: ["raw = {}", 'raw.setdefault("x", $)'], kept: 'raw["x"]' },
  setattr: { before: ['setattr(self, "raw", $)'], kept: "self.raw" },
  "an attribute": { before: ["self.raw = $"], kept: "self.raw" },
  "taps of the module": { before: ["self.taps.append($)"], kept: "self.taps[-1]" },
  "a partial": { before: ["later = partial(same, $)"], kept: "later()" },
  "a default of a lambda": { before: ["later = lambda x=$: x"], kept: "later()" },
  "a default of a function": { before: ["def later(x=$):", "    return x"], kept: "later()" },
  "a closure": { before: ["raw = $", "later = lambda: raw"], kept: "later()" },
  "a function before the variable": {
    before: ["def later():", "    return raw", "raw = $"],
    kept: "later()",
  },
  "a class": { before: ["class Kept:", "    raw = $"], kept: "Kept.raw" },
  "a conditional expression": { before: ["raw = $ if self.own_k else v"], kept: "raw" },
  or: { before: ["raw = self.nothing or $"], kept: "raw" },
  "a walrus": { before: ["if (raw := $) is not None:", "    self.taps.append(v)"], kept: "raw" },
  "a comprehension": { before: ["raw = [x for x in (v, $)]"], kept: "raw[1]" },
  "a loop": { before: ["for x in (v, $):", "    raw = x"], kept: "raw" },
  "both branches": {
    before: [
      "if self.own_k:",
      "    $ = $ * 2.0",
      "    raw = $",
      "else:",
      "    $ = self.same($)",
      "    raw = $",
    ],
    kept: "raw",
  },
  "one branch": { before: ["raw = v", "if self.own_k:", "    raw = $"], kept: "raw" },
  "a handler": {
    before: ["raw = $", "try:", "    raise ValueError", "except ValueError:", "    kept = raw"],
    kept: "kept",
  },
  "another dtype, perhaps": { before: ["raw = $.to(v.dtype)"], kept: "raw" },
  float: { before: ["raw = $.float()"], kept: "raw" },
  data: { before: ["raw = $.data"], kept: "raw" },
  detach: { before: ["raw = $.detach()"], kept: "raw" },
  contiguous: { before: ["raw = $.contiguous()"], kept: "raw" },
  "a view": { before: ["raw = $.view(-1)"], kept: "raw" },
  "a transpose": { before: ["raw = $.mT"], kept: "raw" },
  "a slice": { before: ["raw = $[..., :4]"], kept: "raw" },
  "a function that does nothing": { before: ["raw = self.same($)"], kept: "raw" },
  "a module that does nothing": { before: ["raw = $", "$ = self.skip($)"], kept: "raw" },
  "the packed tensor": { before: [], kept: "qkv" },
  "a slice of the packed tensor": { before: [], kept: "qkv[..., :4]" },
  "another part of the packed tensor": { before: [], kept: "qkv[..., -4:]" },
  "what was added to in place": { before: ["raw = $", "$ += 1.0"], kept: "raw" },
  "the case of a match": { before: ["match (v, $):", "    case (_, raw):", "        pass"], kept: "raw" },
  "the other case of a match": {
    before: [
      "raw = v",
      "match self.own_k:",
      "    case False:",
      "        pass",
      "    case _:",
      "        raw = $",
    ],
    kept: "raw",
  },
  "a method called like a tensor's": { before: ["tap = Tap()", "tap.log($)"], kept: "tap[0]" },
  "a method of an item": {
    before: ["self.taps.append(Tap())", "self.taps[-1].mul($)"],
    kept: "self.taps[-1][0]",
  },
  "a method called like a view": { before: ["self.tap.select($)"], kept: "self.tap[-1]" },
  "a star in parentheses": { before: ["raw = v, *($, v)"], kept: "raw[1]" },
  "a norm of it": { before: ["raw = self.v_norm($.view(-1, self.head_dim))"], kept: "raw" },
  "a clone": { before: ["raw = $.clone()"], kept: "raw" },
  "a product": { before: ["raw = $ * 1.0"], kept: "raw" },
  "a name that is given away": { before: ["raw = $", "raw = v"], kept: "raw" },
  "its shape": { before: ["raw = $", "self.width = raw.shape[-1]"] },
};

/** Norms that look like RMS over one head. */
const otherNorms: Readonly<Record<string, string>> = {
  "a tuple": "TupleNorm(self.head_dim)",
  "a tuple on one way": "ResidualNorm(self.head_dim)",
  "weights less one": "OffsetRMSNorm(self.head_dim)",
  "the mean taken off": "CenteredNorm(self.head_dim)",
  "half a head": "RMSNorm(self.head_dim // 2)",
  "nothing where a flag says so": "SkippingRMSNorm(self.head_dim)",
  "an eps of its own": "FixedEpsNorm(self.head_dim)",
  "a power of eps": "SquaredEpsNorm(self.head_dim, 0.5)",
  "another weight": "ScaleNorm(self.head_dim)",
  "a weight that is made of another one": "PositiveNorm(self.head_dim)",
  "no weight, built so": "OptionalNorm(self.head_dim, affine=False)",
};

/** One alias of some kind. */
export function aliasCase(seed: number): PythonCase {
  const pick = picker(seed);
  const name = pick(Object.keys(keepers));
  const { before, kept } = keepers[name]!;
  const x = pick(["q", "k"]);
  const isGuarded = pick([true, false]);
  const sides = [sideOf("q", "self.q_norm", pick), sideOf("k", "self.k_norm", pick)];
  const step = pick([sides, sides.toReversed()]).flatMap(({ lines }) => lines);
  const said = (line: string) => line.replaceAll("$", x);
  return {
    traits: [name, x, ...sides.map(({ trait }) => trait), isGuarded ? "under a guard" : "plain"],
    text: model({
      before: before.map(said),
      step: isGuarded ? ["if self.use_qk_norm:", ...step.map((line) => `    ${line}`)] : step,
      kept: kept && said(kept),
      norm: "RMSNorm(self.head_dim)",
    }),
  };
}

/** One look-alike of some kind. */
export function lookAlikeCase(seed: number): PythonCase {
  const pick = picker(seed);
  const name = pick(Object.keys(otherNorms));
  const isTuple = name.startsWith("a tuple");
  const sides = (["q", "k"] as const).map((x) =>
    isTuple
      ? [
          `h_${x} = ${x}.view(*${x}.shape[:-1], -1, ${headDim})`,
          `h_${x}, _ = self.${x}_norm(h_${x})`,
          `${x} = h_${x}.view(${x}.shape)`,
        ]
      : sideOf(x, `self.${x}_norm`, pick).lines,
  );
  return {
    traits: [name],
    text: model({ before: [], step: sides.flat(), kept: undefined, norm: otherNorms[name]! }),
  };
}

interface Parts {
  readonly before: readonly string[];
  readonly step: readonly string[];
  readonly kept: string | undefined;
  readonly norm: string;
}

function model({ before, step, kept, norm }: Parts): string {
  const lines = ["qkv = self.qkv(hidden)", "q, k, v = qkv.split(self.sizes, dim=-1)", ...before, ...step];
  return `from functools import partial

import torch
from torch import nn

from engine.layers.norms import CenteredNorm, OffsetRMSNorm, RMSNorm


class TupleNorm(RMSNorm):
    def forward(self, x):
        return super().forward(x), x


class ResidualNorm(RMSNorm):
    def forward(self, x, residual=None):
        normed = super().forward(x)
        if residual is None:
            return normed, x
        return normed + residual


class SkippingRMSNorm(RMSNorm):
    active = False

    def forward(self, x):
        return super().forward(x) if self.active else x


class WrittenNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.scale = nn.Parameter(torch.ones(dim))
        self.variance_epsilon = eps


class FixedEpsNorm(WrittenNorm):
    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 0.5) * self.weight


class SquaredEpsNorm(WrittenNorm):
    def forward(self, x):
        eps = self.variance_epsilon
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps * eps) * self.weight


class ScaleNorm(WrittenNorm):
    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon) * self.scale


class PositiveNorm(WrittenNorm):
    @property
    def positive(self):
        return self.weight * -1.0

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon) * self.positive


class OptionalNorm(nn.Module):
    def __init__(self, dim, eps=1e-6, affine=True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim)) if affine else None
        self.variance_epsilon = eps

    def forward(self, x):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return x if self.weight is None else x * self.weight


class Skip(nn.Module):
    def forward(self, x):
        return x


def same(x):
    return x


class Tap(list):
    def log(self, x):
        self.append(x)

    mul = select = log


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.head_dim, self.own_k, self.use_qk_norm = config.head_dim, config.own_k, config.use_qk_norm
        self.sizes = config.sizes
        self.qkv = nn.Linear(config.hidden, sum(config.sizes))
        self.q_norm = ${norm}
        self.k_norm = ${norm}
        self.v_norm = RMSNorm(self.head_dim)
        self.skip, self.same, self.nothing, self.taps, self.tap = Skip(), same, None, [], Tap()

    def forward(self, hidden, attend):
${lines.map((line) => `        ${line}\n`).join("")}        return attend(q, k, v)${kept === undefined ? "" : `, ${kept}`}
`;
}
