import { describe, expect, test } from "vitest";
import { made, type PythonModel, planPython } from "../../test/python-plan.ts";
import { qknormProfile, sglangProfile } from "../profiles/profile.ts";

const step = ["q = self.q_norm(q)", "k = self.k_norm(k)"];

/** A norm class with this forward. */
function normOf(forward: readonly string[], { params = "x", members = "", above = "" } = {}): string {
  return `class Norm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.variance_epsilon = eps

${members}${above}    def forward(self, ${params}):
${forward.map((line) => `        ${line}\n`).join("")}`;
}

const planned = (norm: string, more: Partial<PythonModel> = {}) =>
  planPython({
    forward: [...made, ...step],
    norm: norm.replaceAll("class Norm(", "class RMSNorm("),
    ...more,
    init: [
      "self.q_norm = RMSNorm(self.head_dim)",
      "self.k_norm = RMSNorm(self.head_dim)",
      ...(more.init ?? []),
    ],
  });

const variance = "v = x.pow(2).mean(-1, keepdim=True)";
const normed = "x * torch.rsqrt(v + self.variance_epsilon)";

describe("what is x / rms(x) times a weight, however it is written, is replaced", () => {
  test.each<[string, readonly string[], Parameters<typeof normOf>[1]?]>([
    [
      "a cast to f32 and back",
      [
        "h = x.to(torch.float32)",
        "v = h.pow(2).mean(-1, keepdim=True)",
        "h = h * torch.rsqrt(v + self.variance_epsilon)",
        "return self.weight * h.to(x.dtype)",
      ],
    ],
    [
      "a method of its own",
      ["return self._normed(x.float()).type_as(x) * self.weight"],
      { members: `    def _normed(self, x):\n        ${variance}\n        return ${normed}\n\n` },
    ],
    [
      "a root that is divided by",
      ["return self.weight * x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)"],
    ],
    [
      "a root as a power",
      ["return x * (x.square().mean(-1, keepdim=True) + self.variance_epsilon) ** -0.5 * self.weight"],
    ],
    [
      "one over a root",
      [
        "s = 1.0 / torch.sqrt(torch.mean(x * x, dim=-1, keepdim=True) + self.variance_epsilon)",
        "return s * x * self.weight",
      ],
    ],
    [
      "a sum over the number of columns",
      ["v = (x**2).sum(-1, keepdim=True) / x.shape[-1]", `return ${normed} * self.weight`],
    ],
    [
      "functions",
      [
        "v = torch.mean(torch.pow(x, 2), dim=-1, keepdim=True)",
        "return torch.mul(torch.mul(x, torch.rsqrt(torch.add(v, self.variance_epsilon))), self.weight)",
      ],
    ],
    [
      "a residual that may be given",
      [
        "if residual is not None:",
        "    x = x + residual",
        variance,
        `x = ${normed} * self.weight`,
        "return x if residual is None else (x, residual)",
      ],
      { params: "x, residual=None" },
    ],
    [
      "a weight that may be missing",
      [variance, `x = ${normed}`, "if self.weight is not None:", "    x = x * self.weight", "return x"],
    ],
    ["a weight in view of more axes", [variance, `return ${normed} * self.weight.view(1, 1, -1)`]],
    ["a kernel", ["return rmsnorm(x, self.weight.data, self.variance_epsilon)"]],
    [
      "a kernel on rows",
      [
        "out = rmsnorm(x.reshape(-1, x.shape[-1]), self.weight, self.variance_epsilon)",
        "return out.view(x.shape)",
      ],
    ],
    [
      "a kernel that knows no weight",
      ["return F.rms_norm(x, x.shape[-1:], None, self.variance_epsilon) * self.weight"],
    ],
    [
      "an empty tensor given back",
      ["if x.numel() == 0:", "    return x", variance, `return ${normed} * self.weight`],
    ],
    ["a compiled forward", [variance, `return ${normed} * self.weight`], { above: "    @torch.compile\n" }],
  ])("%s", (_, forward, more) => {
    expect(planned(normOf(forward, more)).findings).toMatchObject([{ kind: "replaced" }]);
  });
});

describe("what computes anything else stays, whatever its class is called", () => {
  test.each<[string, readonly string[], Parameters<typeof normOf>[1]?]>([
    ["the weight added to one", [variance, `x = ${normed}`, "return x + x * self.weight"]],
    ["the same by one function", [variance, `x = ${normed}`, "return torch.addcmul(x, x, self.weight)"]],
    ["a bias", [variance, `return ${normed} * self.weight + self.bias`]],
    ["one more factor", [variance, `return ${normed} * self.weight * self.scale`]],
    ["a number as a factor", [variance, `return ${normed} * self.weight * 0.5`]],
    ["a sum, not a mean", ["v = x.pow(2).sum(-1, keepdim=True)", `return ${normed} * self.weight`]],
    ["a mean over everything", ["v = x.pow(2).mean()", `return ${normed} * self.weight`]],
    [
      "a mean over an axis from the front",
      ["v = x.pow(2).mean(dim=1, keepdim=True)", `return ${normed} * self.weight`],
    ],
    ["another power", ["v = x.pow(4).mean(-1, keepdim=True)", `return ${normed} * self.weight`]],
    ["no root", [variance, "return x / (v + self.variance_epsilon) * self.weight"]],
    [
      "eps outside of the root",
      [variance, "return x / (torch.sqrt(v) + self.variance_epsilon) * self.weight"],
    ],
    ["the largest number", ["return x / x.abs().amax(-1, keepdim=True) * self.weight"]],
    ["a variance", ["v = x.var(-1, keepdim=True)", `return ${normed} * self.weight`]],
    ["x that was bounded before", ["x = x.clamp(-1, 1)", variance, `return ${normed} * self.weight`]],
    ["an activation", [variance, `return F.silu(${normed} * self.weight)`]],
    ["a layer on the result", [variance, `return self.drop(${normed} * self.weight)`]],
    ["a function of the weight", [variance, `return ${normed} * torch.exp(self.weight)`]],
    ["a weight for each head", [variance, `return ${normed} * self.weight.view(self.heads, -1)`]],
    [
      "half of the columns",
      [
        "a, b = x.chunk(2, -1)",
        "v = a.pow(2).mean(-1, keepdim=True)",
        "return torch.cat([a * torch.rsqrt(v) * self.weight, b], -1)",
      ],
    ],
    ["a factor around a kernel", ["return F.rms_norm(x, x.shape[-1:], self.weight) * 2"]],
    ["another norm's kernel", ["return F.group_norm(x, 4, self.weight, None, self.variance_epsilon)"]],
    ["a length of one", ["return F.normalize(x, dim=-1) * self.weight"]],
    [
      "a method of its own that does more",
      ["return self._normed(x) * self.weight"],
      { members: `    def _normed(self, x):\n        ${variance}\n        return 2 * ${normed}\n\n` },
    ],
    ["a decorator", [variance, `return ${normed} * self.weight`], { above: "    @scaled\n" }],
    [
      "another call around it",
      [variance, `return ${normed} * self.weight`],
      { members: "    def __call__(self, x):\n        return 2 * super().__call__(x)\n\n" },
    ],
    [
      "nothing where a flag says so",
      ["if not self.training:", "    return x", variance, `return ${normed} * self.weight`],
    ],
    [
      "x itself, into which it writes",
      ["x *= torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)", "return x * self.weight"],
    ],
    [
      "x itself, by a method",
      [variance, "x.mul_(torch.rsqrt(v + self.variance_epsilon))", "return x * self.weight"],
    ],
    ["a count besides", ["self.calls += 1", variance, `return ${normed} * self.weight`]],
    [
      "a weight that is made of another one",
      [variance, `return ${normed} * self.scale`],
      { members: "    @property\n    def scale(self):\n        return self.weight.abs()\n\n" },
    ],
    [
      "a power of eps",
      [
        "v = x.pow(2).mean(-1, keepdim=True)",
        "return x * torch.rsqrt(v + self.variance_epsilon**2) * self.weight",
      ],
    ],
    ["a generator", [variance, `yield ${normed} * self.weight`]],
    ["a dict", [variance, `return {"x": ${normed} * self.weight}`]],
  ])("%s", (_, forward, more) => {
    expect(planned(normOf(forward, more)).findings).toMatchObject([{ reason: "unknown-norm" }]);
  });

  test("a class without code of its own computes what its base does", () => {
    const derived = `${normOf([variance, `return ${normed} * self.weight * 2`]).replaceAll("class Norm", "class Base")}

class RMSNorm(Base):
    pass
`;
    expect(planned(derived).findings).toMatchObject([{ reason: "unknown-norm" }]);
  });

  const plain = normOf([variance, `return ${normed} * self.weight`]);

  test("something is made of its class that computes another thing", () => {
    expect(planned(`@scaled(2)\n${plain}`).findings).toMatchObject([{ reason: "unknown-norm" }]);
    expect(planned(`@CustomOp.register("rms_norm")\n${plain}`).findings).toMatchObject([
      { kind: "replaced" },
    ]);
  });

  test.each([
    [
      "an import that may be there",
      "try:\n    from apex.normalization import FusedRMSNorm as RMSNorm\nexcept ImportError:\n    pass\n",
    ],
    ["another class in the other arm", "if FUSED:\n    class RMSNorm(nn.LayerNorm):\n        pass\n"],
  ])("its name stands for %s", (_, other) => {
    expect(planned(`${plain}\n${other}`).findings).toMatchObject([{ reason: "unknown-norm" }]);
    expect(planned(`${other}\n\n${plain}`).findings).toMatchObject([{ reason: "unknown-norm" }]);
  });

  test("what another platform has in its place is of its kind", () => {
    const guard = "if not (\n    _is_cuda or _is_hip\n):\n    print('other kernels')\n    ";
    const other = `${plain}\n\n${guard}from apex.normalization import RMSNorm\n`;
    expect(planned(other).findings).toMatchObject([{ kind: "replaced" }]);
    expect(planned(other.replaceAll("_is_", "_has_")).findings).toMatchObject([{ reason: "unknown-norm" }]);
  });

  test("what only a type checker imports stands for nothing", () => {
    const typed = `if TYPE_CHECKING:\n    from apex.normalization import RMSNorm\n\n\n${plain}`;
    expect(planned(typed).findings).toMatchObject([{ kind: "replaced" }]);
  });

  test.each([
    ["another eps", plain.replace("v + self.variance_epsilon", "v + 1e-5")],
    ["no eps", plain.replace("v + self.variance_epsilon", "v")],
    ["another weight", plain.replace("* self.weight", "* self.scale")],
    [
      "an eps that it only tells of",
      plain.replace("v + self.variance_epsilon", "v + 1e-5") +
        "\n    def extra_repr(self):\n        return str(self.variance_epsilon)\n",
    ],
  ])("it computes with %s than those that the helper reads", (_, cls) => {
    expect(planned(cls).findings).toMatchObject([
      { reason: "unknown-norm", message: expect.stringContaining("never reads its") },
    ]);
    const profile = { ...sglangProfile, requiredAttributes: [] };
    expect(planned(cls, { profile }).findings).toMatchObject([{ kind: "replaced" }]);
  });

  test("one weight for all columns is not one for each", () => {
    const scalar = plain.replace("torch.ones(dim)", "torch.ones(1)");
    expect(planned(scalar).findings).toMatchObject([{ reason: "norm-not-per-head" }]);
  });

  test.each<[string, Partial<PythonModel>]>([
    ["its forward", { init: ["self.q_norm.forward = other"] }],
    ["the class's forward", { above: "RMSNorm.forward = other\n\n\n" }],
    ["the class's forward, by its name", { above: 'setattr(RMSNorm, "forward", other)\n\n\n' }],
    [
      "it, by whoever has the layer",
      { above: "def drop(layer):\n    layer.attn.q_norm = nn.Identity()\n\n\n" },
    ],
    ["its weight", { init: ['register_parametrization(self.k_norm, "weight", Exp())'] }],
    [
      "it, by its name",
      { head: '    def swap(self):\n        setattr(self, "q_norm", nn.LayerNorm(4))\n\n' },
    ],
  ])("something else is put in place of %s", (_, more) => {
    expect(planned(plain).findings).toMatchObject([{ kind: "replaced" }]);
    expect(planned(plain, more).findings).toMatchObject([{ reason: "unknown-norm" }]);
  });

  test("a part of what it gives is used, which so may be no tensor", () => {
    const profile = { ...sglangProfile, norms: qknormProfile.norms, requiredAttributes: [] };
    const unread = (forward: readonly string[]) =>
      planned("from elsewhere import RMSNorm", { forward: [...made, ...forward], profile });
    expect(unread(step).findings).toMatchObject([{ kind: "replaced" }]);
    const used = unread(["q = self.q_norm(q).hidden", "k = self.k_norm(k).hidden"]);
    expect(used.findings).toMatchObject([{ reason: "unknown-norm" }]);
  });
});
