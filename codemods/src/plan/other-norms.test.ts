import { describe, expect, test } from "vitest";
import { made, norm, normed, type PythonModel, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";
import { qknormProfile, sglangProfile } from "../profiles/profile.ts";
import type { FilePlan } from "./plan-file.ts";

const reasonsOf = ({ findings }: FilePlan) => findings.map(({ reason, kind }) => reason ?? kind);

test("a norm that is as wide as a part of a head is taken where the class calls that part its head", () => {
  const init = [
    "self.head_dim = config.index_head_dim",
    "self.q_norm = Norm(config.index_head_dim)",
    "self.k_norm = Norm(config.index_head_dim)",
  ];
  expect(reasonsOf(planPython({ forward: [...made, ...normed], init }))).toEqual(["replaced"]);
});

test("a norm that is built as wide as all heads says so", () => {
  const init = ["self.q_norm = Norm(config.hidden_size)", "self.k_norm = Norm(config.hidden_size)"];
  expect(planPython({ forward: [...made, ...normed], init }).findings).toMatchObject([
    { message: expect.stringContaining("as wide as all heads together") },
  ]);
});

describe("in Python", () => {
  test("the step around which all cases are made is replaced", () => {
    expect(reasonsOf(planPython({ forward: [...made, ...normed] }))).toEqual(["replaced"]);
  });

  test.each<[string, string, PythonModel]>([
    [
      "gives a tuple",
      "unknown-norm",
      { forward: [...made, "q, _ = self.q_norm(q)", "k, _ = self.k_norm(k)"] },
    ],
    [
      "gives a tuple by its code",
      "unknown-norm",
      { forward: [...made, ...normed], norm: `${norm.trimEnd()}, x\n` },
    ],
    [
      "may give a tuple, of which one part is used",
      "unknown-norm",
      {
        forward: [...made, "q = self.q_norm(q)[0].float()", "k = self.k_norm(k)[0].float()"],
        above: "from elsewhere import Other\n\n\n",
        init: ["self.q_norm = Other(self.head_dim)", "self.k_norm = Other(self.head_dim)"],
        profile: { ...sglangProfile, norms: qknormProfile.norms, requiredAttributes: [] },
      },
    ],
    [
      "takes the mean over the axis before the last",
      "norm-not-per-head",
      { forward: [...made, ...normed], norm: norm.replace("mean(-1,", "mean(-2,") },
    ],
    [
      "is given what an attribute transposes",
      "norm-not-per-head",
      { forward: [...made, "q = self.q_norm(q.mT)", "k = self.k_norm(k.mT)"] },
    ],
    [
      "has a weight for each head",
      "norm-not-per-head",
      {
        forward: [...made, ...normed],
        init: [
          "self.q_norm = Norm((config.heads, self.head_dim))",
          "self.k_norm = Norm((config.kv_heads, self.head_dim))",
        ],
      },
    ],
    [
      "makes a weight for each head",
      "norm-not-per-head",
      {
        forward: [...made, ...normed],
        norm: norm.replace("dim, eps", "heads, dim, eps").replace("ones(dim)", "ones(heads, dim)"),
        init: [
          "self.q_norm = Norm(config.heads, self.head_dim)",
          "self.k_norm = Norm(config.kv_heads, self.head_dim)",
        ],
      },
    ],
    [
      "holds a norm for each head",
      "norm-not-per-head",
      {
        forward: [...made, ...normed],
        norm: `class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norms = nn.ModuleList([nn.RMSNorm(dim) for _ in range(8)])

    def forward(self, x):
        return torch.cat([norm(part) for norm, part in zip(self.norms, x.split(1, dim=-2))], dim=-2)
`,
        profile: { ...sglangProfile, norms: qknormProfile.norms, requiredAttributes: [] },
      },
    ],
    [
      "is half a head wide, by a shift",
      "norm-not-per-head",
      {
        forward: [...made, ...normed],
        init: ["self.q_norm = Norm(self.head_dim >> 1)", "self.k_norm = Norm(self.head_dim >> 1)"],
      },
    ],
    [
      "is as wide as a part of a head",
      "norm-not-per-head",
      {
        forward: [...made, ...normed],
        init: ["self.q_norm = Norm(config.qk_rope_head_dim)", "self.k_norm = Norm(config.qk_rope_head_dim)"],
      },
    ],
    [
      "is half a head wide",
      "norm-not-per-head",
      {
        forward: [...made, ...normed],
        init: ["self.q_norm = Norm(self.head_dim // 2)", "self.k_norm = Norm(self.head_dim // 2)"],
      },
    ],
    [
      "takes the mean over heads too",
      "norm-not-per-head",
      { forward: [...made, ...normed], norm: norm.replace("mean(-1,", "mean((-2, -1),") },
    ],
    [
      "puts the heads together",
      "norm-not-per-head",
      { forward: [...made, ...normed], norm: norm.replace("x.pow(2)", "x.flatten(-2).pow(2)") },
    ],
    [
      "sees einops' transpose",
      "norm-not-per-head",
      { forward: [...made, 'q, k = (rearrange(t, "b l h d -> b h l d") for t in (q, k))', ...normed] },
    ],
    [
      "sees a transpose in a comprehension",
      "norm-not-per-head",
      { forward: [...made, "q, k = [t.transpose(1, 2) for t in (q, k)]", ...normed] },
    ],
    [
      "sees a transpose in a lambda",
      "norm-not-per-head",
      { forward: [...made, "q, k = map(lambda t: t.transpose(1, 2), (q, k))", ...normed] },
    ],
    [
      "sees a lambda that calls a transpose",
      "norm-not-per-head",
      {
        forward: [...made, "q, k = map(lambda t: self._heads(t), (q, k))", ...normed],
        head: "    def _heads(self, t):\n        return t.swapaxes(1, 2)\n\n",
      },
    ],
    [
      "sees a function's transpose",
      "norm-not-per-head",
      { forward: [...made, "q, k = torch.transpose(q, 1, 2), torch.transpose(k, 1, 2)", ...normed] },
    ],
    [
      "sees a transpose in another method",
      "norm-not-per-head",
      {
        forward: [...made, "q, k = self._heads(q), self._heads(k)", ...normed],
        head: "    def _heads(self, t):\n        return t.swapaxes(1, 2)\n\n",
      },
    ],
    [
      "is of another sequence than the other",
      "helper-mismatch",
      {
        forward: [
          "q = self.q_proj(x).view(*x.shape[:-1], -1, self.head_dim)",
          "k = self.k_proj(context).view(*context.shape[:-1], -1, self.head_dim)",
          ...normed,
        ],
      },
    ],
    [
      "may be of another sequence than the other",
      "helper-mismatch",
      {
        forward: [
          "source = x if context is None else context",
          "q = self.q_proj(x).view(*x.shape[:-1], -1, self.head_dim)",
          "k = self.k_proj(source).view(*x.shape[:-1], -1, self.head_dim)",
          ...normed,
        ],
      },
    ],
    [
      "is in a method that torch.jit compiles",
      "helper-mismatch",
      { forward: [...made, ...normed], head: "    @torch.jit.export\n" },
    ],
    [
      "is in a class that torch.jit compiles",
      "helper-mismatch",
      { forward: [...made, ...normed], above: "@torch.jit.script\n" },
    ],
    [
      "is in a class that the compiler of torch.jit is the base of",
      "helper-mismatch",
      {
        forward: [...made, ...normed],
        bases: "torch.jit.ScriptModule",
      },
    ],
    [
      "is in a class that is given to torch.jit",
      "helper-mismatch",
      { forward: [...made, ...normed], above: "compiled = torch.jit.script(Attention)\n\n\n" },
    ],
    [
      "is in a method that is scripted by a name of its own",
      "helper-mismatch",
      { forward: [...made, ...normed], head: "    @script_method\n" },
    ],
    [
      "is in a method that numba compiles",
      "helper-mismatch",
      { forward: [...made, ...normed], head: "    @numba.njit\n" },
    ],
    [
      "is in a method that TensorFlow compiles",
      "helper-mismatch",
      { forward: [...made, ...normed], head: "    @tf.function\n" },
    ],
    [
      "has a hook",
      "unknown-norm",
      {
        forward: [...made, ...normed],
        init: [
          "self.q_norm = Norm(self.head_dim)",
          "self.k_norm = Norm(self.head_dim)",
          "self.k_norm.register_forward_hook(self.seen)",
        ],
      },
    ],
  ])("a norm that %s stays: %s", (_, reason, model) => {
    const plan = planPython(model);
    expect(plan.after).toBeUndefined();
    expect(reasonsOf(plan)).toContain(reason);
  });

  test("a residual that is given back beside the tensor does no harm where none is given", () => {
    const residual = norm
      .replace("def forward(self, x)", "def forward(self, x, residual=None)")
      .replace(
        "        variance",
        "        if residual is not None:\n            return x, residual\n        variance",
      );
    expect(reasonsOf(planPython({ forward: [...made, ...normed], norm: residual }))).toEqual(["replaced"]);
  });
});

describe("in TypeScript", () => {
  const heads = `let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.heads, this.headDim]);
    const v = x;`;
  const plan = (forward: string, project = heads) =>
    planScript(attention({ forward, project }), { profile: { ...qknormProfile } });

  test.each([
    ["gives a promise, perhaps", "q = await this.qOther.norm(q);"],
    ["is called by what may run hooks", "q = this.qNorm.call(q);\nk = this.kNorm.call(k);"],
    ["gives an array", "[q] = this.qNorm.forward(q);\n[k] = this.kNorm.forward(k);"],
    [
      "sees a transpose by a function",
      "q = transpose(q, [1, 0, 2]);\nk = transpose(k, [1, 0, 2]);\nq = this.qNorm.forward(q);\nk = this.kNorm.forward(k);",
    ],
    [
      "sees a transpose in a callback",
      "[q, k] = [q, k].map((t) => t.transpose(0, 1));\nq = this.qNorm.forward(q);\nk = this.kNorm.forward(k);",
    ],
  ])("a norm that %s stays", (_, forward) => {
    expect(plan(forward).after).toBeUndefined();
  });

  test("a norm whose class is out of reach stays where its result is awaited, or only a part of it used", () => {
    const code = `import { Norm } from "elsewhere";
export class Attention {
  qNorm: Norm; kNorm: Norm;
  async forward(x: Tensor) {
    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.heads, this.headDim]);
    q = await this.qNorm.forward(q);
    k = await this.kNorm.forward(k);
    return this.attend(q, k);
  }
}`;
    expect(planScript(code, { profile: qknormProfile }).findings).toMatchObject([{ reason: "unknown-norm" }]);
    const part = planScript(
      code.replaceAll("await ", "").replaceAll(/forward\(([qk])\);/g, "forward($1)[0];"),
      {
        profile: qknormProfile,
      },
    );
    expect(part.findings).toMatchObject([{ reason: "unknown-norm" }]);
    const sync = planScript(code.replaceAll("await ", ""), { profile: qknormProfile });
    expect(sync.findings).toMatchObject([{ kind: "replaced" }]);
  });

  test("q and k of two sequences stay", () => {
    const forward = "q = this.qNorm.forward(q);\nk = this.kNorm.forward(k);";
    expect(plan(forward).findings).toMatchObject([{ kind: "replaced" }]);
    const crossed = plan(forward, heads.replace("this.kProj.forward(x)", "this.kProj.forward(context)"));
    expect(crossed.findings).toMatchObject([{ reason: "helper-mismatch" }]);
  });
});

describe("what else happens on the way", () => {
  const own = (body: readonly string[]) =>
    ["    def normed(self, norm, x):", ...body.map((line) => `        ${line}`), "", ""].join("\n");
  const sides = [...made, "q = self.normed(self.q_norm, q)", "k = self.normed(self.k_norm, k)"];

  test("a function that only normalises one side goes with its call", () => {
    const { after } = planPython({ forward: sides, head: own(["return norm(x)"]) });
    expect(after).toContain("apply_qk_norm(");
  });

  test.each([
    ["counts", ["self.calls += 1", "return norm(x)"]],
    ["logs", ["print(x)", "return norm(x)"]],
    ["keeps what it is given", ["self.seen.append(x)", "return norm(x)"]],
  ])("one that also %s keeps the copy", (_, body) => {
    const { after, findings } = planPython({ forward: sides, head: own(body) });
    expect(after).toBeUndefined();
    expect(findings).toMatchObject([{ reason: "ambiguous" }]);
  });

  test("a change of k's norm between the two norms stays before the helper, or the copy is kept", () => {
    const change = ["q = self.q_norm(q)", "self.k_norm.weight.data.mul_(2.0)"];
    const { after = "" } = planPython({ forward: [...made, ...change, "k = self.k_norm(k)"] });
    expect(after.indexOf("mul_(2.0)")).toBeGreaterThan(0);
    expect(after.indexOf("mul_(2.0)")).toBeLessThan(after.indexOf("apply_qk_norm("));
    const kept = planPython({ forward: [...made, ...change, "print(q)", "k = self.k_norm(k)"] });
    expect(kept.after).toBeUndefined();
    expect(kept.findings).toMatchObject([{ reason: "ambiguous" }]);
  });

  test("a change of k between the two norms through a container stays before the helper, or the copy is kept", () => {
    const change = ["raw = [k]", "q = self.q_norm(q)", "raw[0].mul_(2)"];
    const { after = "" } = planPython({ forward: [...made, ...change, "k = self.k_norm(k)"] });
    expect(after.indexOf("raw[0].mul_(2)")).toBeGreaterThan(0);
    expect(after.indexOf("raw[0].mul_(2)")).toBeLessThan(after.indexOf("apply_qk_norm("));
    const kept = planPython({ forward: [...made, ...change, "print(q)", "k = self.k_norm(k)"] });
    expect(kept.after).toBeUndefined();
    expect(kept.findings).toMatchObject([{ reason: "ambiguous" }]);
  });
});
