import { expect, test } from "vitest";
import { planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

const step = "q = this.qNorm.forward(q);\nk = this.kNorm.forward(k);";
const made = "let q = this.qProj.forward(x);\nlet k = this.kProj.forward(x);";

test.each([
  ["an argument", `return tidy(() => {\n${made}\n${step}\nreturn this.attend(q, k);\n});`],
  [
    "an argument, in another one",
    `return tidy(() => each((x) => {\n${made}\n${step}\nreturn this.attend(q, k);\n}));`,
  ],
  ["for every item", `x.forEach((x) => {\n${made}\n${step}\nthis.attend(q, k);\n});`],
  [
    "a variable that nobody calls here",
    `const run = (x) => {\n${made}\n${step}\nreturn q;\n};\nregister(run);`,
  ],
])("a step in a function that is handed on is told of: %s", (_, forward) => {
  const { findings, after } = planScript(attention({ forward, project: "let q, k, v;" }));
  expect(findings).toMatchObject([{ kind: "refused", reason: "ambiguous" }]);
  expect(after).toBeUndefined();
});

test("a function without a name that applies one norm is no step", () => {
  const forward = "return tidy(() => this.qNorm.forward(x));";
  expect(planScript(attention({ forward })).findings).toEqual([]);
});

test("code behind a block that always raises is looked at, since somebody may catch it", () => {
  const forward = [
    "try:",
    "    raise ValueError",
    "except ValueError:",
    "    pass",
    "q, k = self.qk_proj(x).split([self.q_size, self.k_size], dim=-1)",
    "q = self.q_norm(q.view(-1, self.heads, self.head_dim))",
    "k = self.k_norm(k.view(-1, self.kv_heads, self.head_dim))",
  ];
  expect(planPython({ forward }).findings).toMatchObject([{ kind: "replaced" }]);
});

test("a class in a function that is handed on is looked at where it stands, and told of once", () => {
  const code = `import { RmsNorm } from "./norms";

export const make = (config: Config) => {
  return class Inner {
    readonly headDim = config.headDim;
    readonly qNorm = new RmsNorm(ones(config.headDim), 1e-6);
    readonly kNorm = new RmsNorm(ones(config.headDim), 1e-6);
    forward(x: Tensor) {
      ${made}
      q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
      k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
      return this.attend(q, k);
    }
  };
};
`;
  expect(planScript(code).findings).toMatchObject([{ kind: "replaced" }]);
});
