import { describe, expect, it } from "vitest";
import { attention, plainRms, planScript } from "../../test/script-cases.ts";

const q = "q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);";
const k = "k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);";
const call = "[q, k] = applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim);";

it("a parameter of the helper's name keeps the copy", () => {
  const code = attention({ forward: "q = this.qNorm.forward(q);\nk = this.kNorm.forward(k);" });
  const taken = code.replace("forward(x: Tensor)", "forward(x: Tensor, applyQkNorm: Mode)");
  expect(planScript(taken).findings).toMatchObject([{ reason: "ambiguous" }]);
});

describe("two branches with one test", () => {
  it.each([
    ["without braces", `if (this.useQkNorm) ${q}\n    if (this.useQkNorm) ${k}`],
    ["with braces", `if (this.useQkNorm) {\n      ${q}\n    }\n    if (this.useQkNorm) {\n      ${k}\n    }`],
    [
      "where k is made between them",
      `if (this.useQkNorm) {\n      ${q}\n    }\n    k = k.mul(2);\n    if (this.useQkNorm) {\n      ${k}\n    }`,
    ],
  ])("become one, %s", (_, forward) => {
    const { after, findings } = planScript(attention({ forward }));
    expect(findings).toMatchObject([{ kind: "replaced" }]);
    expect(after).toContain(call);
    expect(after?.match(/this\.useQkNorm/g)).toHaveLength(1);
    expect(planScript(after!).after).toBeUndefined();
  });

  it.each([
    ["the test is assigned", "this.useQkNorm = false;", "conditional-side"],
    ["a call may change the test", "this.toggle();", "conditional-side"],
    ["k needs q in between", "k = this.mix(k, q);", "ambiguous"],
    ["q is read in between", "this.scores = q;", "conditional-side"],
  ])("stay two when %s", (_, between, reason) => {
    const forward = `if (this.useQkNorm) {\n      ${q}\n    }\n    ${between}\n    if (this.useQkNorm) {\n      ${k}\n    }`;
    const { after, findings } = planScript(attention({ forward }));
    expect(after).toBeUndefined();
    expect(findings).toMatchObject([{ kind: "refused", reason }]);
  });

  it.each([
    ["another test", `if (this.useQNorm) ${q}\n    if (this.useKNorm) ${k}`],
    ["a test that is a call", `if (this.draw()) ${q}\n    if (this.draw()) ${k}`],
    ["an else", `if (this.use) ${q}\n    else q = q.mul(2);\n    if (this.use) ${k}`],
  ])("stay two with %s", (_, forward) => {
    const { after, findings } = planScript(attention({ forward }));
    expect(after).toBeUndefined();
    expect(findings).toMatchObject([{ reason: "conditional-side" }]);
  });
});

describe("a variable of a block", () => {
  it("is not the one of the same name outside", () => {
    const forward = `    {\n      let q = this.qOther(x);\n      ${q}\n      this.use(q);\n    }\n    ${k}`;
    expect(planScript(attention({ forward })).after).toBeUndefined();
  });

  it("does not hide the one outside when the block is over", () => {
    const forward = `    if (this.debug) {\n      const q = this.qOther(x);\n      this.use(q);\n    }\n    ${q}\n    ${k}`;
    expect(planScript(attention({ forward })).after).toContain(call);
  });

  it("can be normalised with its partner in the same block", () => {
    const forward = `    {\n      let q = this.qProj.forward(this.other);\n      let k = this.kProj.forward(this.other);\n      ${q}\n      ${k}\n      this.use(q, k);\n    }`;
    expect(planScript(attention({ forward })).after).toContain(call);
  });
});

describe("what happens between the two norms", () => {
  it("stays before the call when it writes into k only", () => {
    const { after } = planScript(attention({ forward: `    ${q}\n    k.mul_(2);\n    ${k}` }));
    expect(after).toMatch(/k\.mul_\(2\);\s+\[q, k\] = applyQkNorm/);
  });

  it.each([
    ["k takes in what q has become", `${q}\n    k.add_(q);\n    ${k}`],
    [
      "a temporary is written to",
      `const rows = q.contiguous().view(-1, this.headDim);\n    rows.mul_(2);\n    q = this.qNorm.forward(rows).reshape(q.shape);\n    ${k}`,
    ],
    ["the norm of k is replaced", `${q}\n    this.kNorm = this.other;\n    ${k}`],
    ["the weight of k's norm is replaced", `${q}\n    this.kNorm.weight = this.other;\n    ${k}`],
    ["the forward of k's norm is replaced", `this.kNorm.forward = other;\n    ${q}\n    ${k}`],
    ["q and k change places", `[q, k] = [k, q];\n    ${q}\n    ${k}`],
    ["one side is normalised twice", `${q}\n    ${q}\n    ${k}`],
    [
      "q is cast on the way",
      `q = this.qNorm.forward(q.reshape([-1, this.headDim]).float()).reshape(q.shape);\n    ${k}`,
    ],
    ["k goes through q's norm", `${q}\n    ${k.replace("kNorm", "qNorm")}`],
    [
      "k goes through a variable that is q's norm",
      `const kNorm = this.qNorm;\n    ${q}\n    ${k.replace("this.kNorm", "kNorm")}`,
    ],
    ["a loop normalises again and again", `for (let i = 0; i < 2; i++) {\n      ${q}\n      ${k}\n    }`],
  ])("keeps the copy when %s", (_, forward) => {
    expect(planScript(attention({ forward: `    ${forward}` })).after).toBeUndefined();
  });
});

describe("rows that a norm gives", () => {
  it("are made of the helper's result, where they are not brought back at once", () => {
    const forward = `    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(k.shape);
    const rows = k.reshape([-1, this.headDim]);
    k = this.kNorm.forward(rows);`;
    const { after } = planScript(attention({ forward }));
    expect(after).toContain("q = qNormed.reshape([-1, this.headDim]).reshape(k.shape);");
    expect(after).toContain("k = kNormed.reshape([-1, this.headDim]);");
    expect(after).not.toContain("const rows");
  });

  it("keep the copy where what makes them means another thing by then", () => {
    const forward = `    let dim = this.headDim;
    const rows = k.reshape([-1, dim]);
    q = this.qNorm.forward(q.reshape([-1, dim]));
    dim = 4;
    k = this.kNorm.forward(rows);`;
    expect(planScript(attention({ forward })).findings).toMatchObject([{ reason: "shape-changed" }]);
  });
});

describe("a norm that is a function", () => {
  const ops = `export function rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor {
  return x.mul(rsqrt(x.square().mean().add(eps))).mul(weight);
}
export const gemmaNorm = jit(function gemmaNorm({ weight }: Norm, x: Tensor) {
  return x.mul(rsqrt(x.square().mean())).mul(weight.add(1));
});`;
  const plan = (forward: string, profile = plainRms) =>
    planScript(
      attention({
        forward,
        imports: 'import { rmsNorm } from "./ops";',
        project: `    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]);
    let v = this.vProj.forward(x);`,
      }),
      { others: { "repo/ops.ts": ops }, profile },
    );

  it("is told with what it computes and its eps, where the helper takes modules only", () => {
    const forward = `    q = rmsNorm(q, this.qNorm, 1e-6);\n    k = rmsNorm(k, this.kNorm, 1e-6);`;
    const { findings } = plan(forward, { ...plainRms, acceptsFunctions: false });
    expect(findings).toMatchObject([
      {
        reason: "unknown-norm",
        message: expect.stringContaining("function rmsNorm (plain RMS, eps 0.000001)"),
      },
    ]);
  });

  it("is kept when another function made it, which may do more than its code says", () => {
    const made =
      "const headNorm = jit(function headNorm(x: Tensor, weight: Tensor) { return x.mul(rsqrt(x.square().mean())).mul(weight); });";
    const code = attention({
      forward: "    q = headNorm(q, this.qNorm);\n    k = headNorm(k, this.kNorm);",
      imports: made,
    });
    expect(planScript(code).findings).toMatchObject([
      { reason: "unknown-norm", message: expect.stringContaining("jit(...)") },
    ]);
  });

  it.each([
    ["another eps on k", "k = rmsNorm(k, this.kNorm, 1e-5);", "ambiguous", "different eps"],
    [
      "v too, made of k",
      "const raw = k;\n    k = rmsNorm(k, this.kNorm, 1e-6);\n    v = rmsNorm(raw, this.vNorm, 1e-6);",
      "third-norm",
      "v",
    ],
    ["only q", "this.use(k);", "one-sided", "only q"],
  ])("is refused for its place first: %s", (_, rest, reason, words) => {
    const { findings } = plan(`    q = rmsNorm(q, this.qNorm, 1e-6);\n    ${rest}`);
    expect(findings).toMatchObject([{ reason, message: expect.stringContaining(words) }]);
  });

  it.each([
    ["attention's output", "let out = this.attend(q, k, v);\n    out = rmsNorm(out, this.outNorm, 1e-6);"],
    ["both at once", "[q, k] = rmsNormBoth(q, k, this.eps);"],
    ["a compressed q", "q = rmsNorm(q, this.qALayernorm.weight, 1e-6);"],
    ["the hidden state", "x = rmsNorm(x, this.inputNorm, 1e-6);"],
    ["a length", "const length = norm(q);"],
    ["a map of norms", "norms.set(key, this.qNorm);"],
  ])("is not one of q or k: %s", (_, forward) => {
    expect(plan(`    ${forward}`).findings).toEqual([]);
  });
});

describe("a long function", () => {
  it("whose every layer takes the one before it several times is read in time that grows with its length", () => {
    const layer = `    x = this.mix(this.stream(x, x), x.add(x), streams(x, x));
    ${q}
    ${k}
    x = this.attend(q, k, x);
    q = this.qProj.forward(x);
    k = this.kProj.forward(x);
`;
    const { findings } = planScript(attention({ forward: layer.repeat(60) }));
    expect(findings).toMatchObject([{ reason: "ambiguous" }]);
  }, 10_000);
});
