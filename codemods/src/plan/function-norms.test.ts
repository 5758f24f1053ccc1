import { describe, expect, test } from "vitest";
import { attention, plainRms, planScript } from "../../test/script-cases.ts";
import { qknormProfile } from "../profiles/profile.ts";

const ops = `export function rmsNorm(x: Tensor, weight: Tensor | null, eps: number): Tensor {
  return x.mul(rsqrt(x.square().mean().add(eps))).mul(weight);
}
export function bareRmsNorm(x: Tensor, weight: null, eps: number): Tensor {
  return x.mul(rsqrt(x.square().mean().add(eps)));
}
export function normHeads(x: Tensor, heads: number, weight: Tensor, eps: number): Tensor {
  return x.reshape([-1, heads]).mul(rsqrt(x.square().mean().add(eps))).mul(weight);
}
`;

function plan(forward: string, profile = plainRms) {
  const code = attention({
    forward,
    imports: 'import { bareRmsNorm, normHeads, rmsNorm } from "./ops";',
    project: `    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]);
    const v = this.vProj.forward(x);`,
  });
  return planScript(code, { others: { "repo/ops.ts": ops }, profile });
}

const flat = (text: string | undefined) =>
  text?.replace(/\s+/g, " ").replace(/\( /g, "(").replace(/, \)/g, ")");

describe("a norm that is a function of several arguments is given as one of the tensor alone", () => {
  test.each([
    [
      "a weight and a constant",
      "q = rmsNorm(q, this.qNorm.weight, 1e-6);\n    k = rmsNorm(k, this.kNorm.weight, 1e-6);",
      "(x) => rmsNorm(x, this.qNorm.weight, 1e-6), (x) => rmsNorm(x, this.kNorm.weight, 1e-6)",
    ],
    [
      "variables that hold the weights",
      "const eps = this.eps;\n    q = rmsNorm(q, this.qGamma, eps);\n    k = rmsNorm(k, this.kGamma, eps);",
      "(x) => rmsNorm(x, this.qGamma, eps), (x) => rmsNorm(x, this.kGamma, eps)",
    ],
    [
      "a weight called x",
      "const x = this.qNorm;\n    q = rmsNorm(q, x.weight, 1e-6);\n    k = rmsNorm(k, this.kNorm.weight, 1e-6);",
      "(t) => rmsNorm(t, x.weight, 1e-6), (x) => rmsNorm(x, this.kNorm.weight, 1e-6)",
    ],
    [
      "rows that are made for it",
      "q = rmsNorm(q.reshape([-1, this.headDim]), this.qNorm, 1e-6).reshape(q.shape);\n    k = rmsNorm(k.reshape([-1, this.headDim]), this.kNorm, 1e-6).reshape(k.shape);",
      "applyQkNorm(q, k, (x) => rmsNorm(x, this.qNorm, 1e-6), (x) => rmsNorm(x, this.kNorm, 1e-6)",
    ],
  ])("with %s", (_, forward, written) => {
    const { after, findings } = plan(`    ${forward}`);
    expect(findings).toMatchObject([{ kind: "replaced" }]);
    expect(flat(after)).toContain(written);
    expect(after).toMatch(/import \{[^}]*\brmsNorm\b[^}]*\} from ".\/ops"/);
  });

  test("also where it has no weight, if the helper takes such norms", () => {
    const forward = "    q = bareRmsNorm(q, null, 1e-6);\n    k = bareRmsNorm(k, null, 1e-6);";
    expect(flat(plan(forward, qknormProfile).after)).toContain("(x) => bareRmsNorm(x, null, 1e-6)");
    expect(plan(forward).after).toBeUndefined();
  });

  test("and a second run changes nothing", () => {
    const { after } = plan("    q = rmsNorm(q, this.qNorm, 1e-6);\n    k = rmsNorm(k, this.kNorm, 1e-6);");
    expect(planScript(after!, { others: { "repo/ops.ts": ops } })).toEqual({
      after: undefined,
      findings: [],
    });
  });

  test.each([
    [
      "a size, which may be wrong for what the helper gives it",
      "q = normHeads(q, this.heads, this.qNorm, 1e-6);\n    k = normHeads(k, this.kvHeads, this.kNorm, 1e-6);",
    ],
    [
      "code out of reach",
      "q = this.ops.strangeNorm(q, this.qNorm, 1e-6);\n    k = this.ops.strangeNorm(k, this.kNorm, 1e-6);",
    ],
    [
      "an argument that is computed",
      "q = rmsNorm(q, this.qNorm, this.next());\n    k = rmsNorm(k, this.kNorm, this.next());",
    ],
  ])("but not with %s", (_, forward) => {
    expect(plan(`    ${forward}`)).toMatchObject({ after: undefined, findings: [{ kind: "refused" }] });
  });

  test("but not where a variable holds another value by then", () => {
    const forward = `    let gamma = this.qNorm;
    q = rmsNorm(q, gamma, 1e-6);
    gamma = this.kNorm;
    k = this.widen(k);
    k = rmsNorm(k, gamma, 1e-6);`;
    expect(plan(forward).after).toBeUndefined();
  });
});

describe("tensors that the helper would refuse when it runs", () => {
  const forward = `    q = this.qNorm.forward(q);
    k = this.kNorm.forward(k);`;
  const tensor = (members: string) =>
    `export class Tensor {\n  get shape(): number[] { return []; }\n  ${members}\n}\n`;

  test("keep the copy, which says what they lack", () => {
    const flat = `    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);`;
    const { after, findings } = planScript(attention({ forward: flat }), {
      others: { "repo/tensor.ts": tensor("dispose(): void {}") },
    });
    expect(after).toBeUndefined();
    expect(findings).toMatchObject([
      {
        reason: "helper-mismatch",
        message: expect.stringContaining(
          "asks a tensor for reshape, which Tensor (repo/tensor.ts:1) does not have",
        ),
      },
    ]);
  });

  test.each([
    ["they have it", tensor("reshape(shape: number[]): Tensor { return this; }")],
    ["the helper does not ask for it, as heads have an axis already", tensor("dispose(): void {}")],
    ["a base class may have it", tensor("").replace("Tensor {", "Tensor extends Base {")],
    ["their code is out of reach", ""],
  ])("do not when %s", (_, text) => {
    const { findings } = planScript(
      attention({
        forward,
        project:
          "    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);\n    let k = this.kProj.forward(x).reshape([-1, this.heads, this.headDim]);\n    const v = x;",
      }),
      { others: text === "" ? {} : { "repo/tensor.ts": text } },
    );
    expect(findings).toMatchObject([{ kind: "replaced" }]);
  });
});

describe("a norm that no helper could be given is found, and kept", () => {
  const both = (norm: (x: "q" | "k") => string) =>
    (["q", "k"] as const).map((x) => `    ${x} = ${norm(x)};`).join("\n");

  test.each([
    ["a method of the tensor", both((x) => `${x}.rmsNorm({ eps: this.eps })`), "unknown-norm"],
    [
      "a method of the tensor, times a weight",
      both((x) => `${x}.rmsNorm().mul(this.${x}Norm)`),
      "unknown-norm",
    ],
    [
      "a method of the tensor that is given a weight",
      both((x) => `${x}.norm(this.${x}Norm, 1e-6)`),
      "unknown-norm",
    ],
    ["one module that is given both", "    [q, k] = this.qkNorm.forward(q, k);", "unknown-norm"],
    [
      "a function times a weight, if there is one",
      both((x) => `this.${x}Norm ? opMul(opRmsNorm(${x}), this.${x}Norm) : ${x}`),
      "conditional-side",
    ],
  ])("as %s", (_, forward, reason) => {
    const { after, findings } = plan(forward, qknormProfile);
    expect(findings).toMatchObject([{ kind: "refused", reason }]);
    expect(after).toBeUndefined();
  });

  test("while the length of a vector is none", () => {
    expect(
      plan(
        both((x) => `${x}.div(${x}.norm())`),
        qknormProfile,
      ).findings,
    ).toEqual([]);
  });
});

test("one module that both q and k are given in turn is one norm for both", () => {
  const forward = "    q = this.qkNorm.forward(q);\n    k = this.qkNorm.forward(k);";
  expect(flat(plan(forward, qknormProfile).after)).toContain(
    "applyQkNorm(q, k, this.qkNorm, this.qkNorm, this.headDim)",
  );
});

test("a product of a function and a weight may be taken apart", () => {
  const forward = "    q = opMul(bareRmsNorm(q), this.qNorm);\n    k = opMul(bareRmsNorm(k), this.kNorm);";
  const { after } = plan(forward, qknormProfile);
  expect(flat(after)).toContain(
    "applyQkNorm(q, k, (x) => bareRmsNorm(x), (x) => bareRmsNorm(x), this.headDim)",
  );
  expect(after).toContain("q = opMul(qNormed, this.qNorm);");
});

test.each([
  ["given something besides", "this.qNorm.forward(q, this.rows)", "this.kNorm.forward(k, this.rows)"],
  ["called by its forward's call", "this.qNorm.forward.call(this, q)", "this.kNorm.forward.call(this, k)"],
  [
    "an autograd function",
    "RmsNormFunction.apply(q, this.qNorm.weight, t)",
    "RmsNormFunction.apply(k, this.kNorm.weight, t)",
  ],
])("a norm that is %s is told of, and stays", (_, q, k) => {
  const { findings, after } = plan(`    q = ${q};\n    k = ${k};`);
  expect(findings).toMatchObject([{ kind: "refused", reason: "unknown-norm" }]);
  expect(after).toBeUndefined();
});
