import { expect, test } from "vitest";
import { made, planPython } from "../../test/python-plan.ts";
import { attention, call, onOneLine, planScript } from "../../test/script-cases.ts";

const method = (more: string) => `    def _normed(self, q, k):
        q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
        k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)
        return q, k

${more}
`;

test("a method that is the step goes where nothing names it but its calls", () => {
  const { after } = planPython({ forward: [...made, "q, k = self._normed(q, k)"], head: method("") });
  expect(after).not.toContain("_normed");
});

test.each([
  ["getattr", '    def run(self, q, k):\n        return getattr(self, "_normed")(q, k)\n'],
  ["a default", "    def run(self, q, k, how='_normed'):\n        return getattr(self, how)(q, k)\n"],
  ["the path of a patch", '    @patch("models.Attention._normed")\n    def run(self):\n        pass\n'],
])("one that a text names, by %s, stays and calls the helper apart", (_, more) => {
  const { after } = planPython({ forward: [...made, "q, k = self._normed(q, k)"], head: method(more) });
  expect(after).toContain("def _normed(self, q, k):\n        q, k = apply_qk_norm(");
  expect(after).toContain("allow_inplace=False");
});

test("a private method of a script that is named by a text stays, unless that is its call", () => {
  const members = `  private normed(q: Tensor, k: Tensor): [Tensor, Tensor] {
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return [q, k];
  }
`;
  const after = (forward: string) => onOneLine(planScript(attention({ forward, members })).after);
  expect(after('[q, k] = this["normed"](q, k);')).toContain(`[q, k] = ${call};`);
  expect(after('[q, k] = this["normed"](q, k);')).not.toContain("normed(");
  expect(after('this.log("normed");\n[q, k] = this.normed(q, k);')).toContain("private normed(");
});

test("a method that compiled code calls is not replaced there, since the helper cannot be compiled", () => {
  const forward = [...made, "q, k = self._normed(q, k)"];
  const { after, findings } = planPython({ forward, head: `${method("")}    @torch.jit.export\n` });
  expect(findings).toMatchObject([
    { reason: "helper-mismatch", message: expect.stringContaining("compiled") },
  ]);
  expect(after).toBeUndefined();
});

test("a call that gives k for q is told of, and not made one of the helper", () => {
  const { after, findings } = planPython({
    forward: [...made, "q, k = self._normed(k, q)"],
    head: method(""),
  });
  expect(findings).toMatchObject([{ reason: "ambiguous", message: expect.stringContaining("is given k") }]);
  expect(after).toBeUndefined();
});
