import { expect, test } from "vitest";
import { made, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

test.each([
  ["a list of one", ["q = self.q_norm(*[q])", "k = self.k_norm(*[k])"]],
  ["a list in a variable", ["a, b = (q,), (k,)", "q = self.q_norm(*a)", "k = self.k_norm(*b)"]],
  ["keywords", ['q = self.q_norm(**{"x": q})', 'k = self.k_norm(**{"x": k})']],
  ["a lookup by name", ['q = getattr(self, "q_norm")(q)', 'k = getattr(self, "k_norm")(k)']],
  ["a wrapper", ["q = torch.vmap(self.q_norm)(q)", "k = torch.vmap(self.k_norm)(k)"]],
  ["a partial", ["f, g = partial(self.q_norm), partial(self.k_norm)", "q = f(q)", "k = g(k)"]],
  ["the class", ["q = Norm.forward(self.q_norm, q)", "k = Norm.forward(self.k_norm, k)"]],
  ["an item of a list for both", ["q = self.qk_norms[0](q)", "k = self.qk_norms[1](k)"]],
  [
    "norms that are built where they are applied",
    ["q_norm, k_norm = Norm(self.head_dim), Norm(self.head_dim)", "q = q_norm(q)", "k = k_norm(k)"],
  ],
  [
    "one module for both that is given them joined",
    ["q, k = self.qk_norm(torch.cat([q, k], 1)).split([self.heads, self.kv_heads], 1)"],
  ],
  ["methods of tensors that are parts of one", ["q = q.rms_norm(eps=1e-6)", "k = k.rms_norm(eps=1e-6)"]],
])("norms that are applied through %s are told of once, and stay", (_, step) => {
  const { findings, after } = planPython({ forward: [...made, ...step] });
  expect(findings).toMatchObject([{ kind: "refused", reason: "unknown-norm" }]);
  expect(after).toBeUndefined();
});

test.each([
  ["an array of one", "q = this.qNorm.forward(...[q]);\nk = this.kNorm.forward(...[k]);"],
  [
    "Reflect",
    "q = Reflect.apply(this.qNorm.forward, this.qNorm, [q]);\nk = Reflect.apply(this.kNorm.forward, this.kNorm, [k]);",
  ],
  ["a pipe", "q = pipe(q, this.qNorm.forward);\nk = pipe(k, this.kNorm.forward);"],
  [
    "variables that hold new norms",
    "const qNorm = new RmsNorm(w, 1e-6), kNorm = new RmsNorm(w, 1e-6);\nq = qNorm.forward(q);\nk = kNorm.forward(k);",
  ],
])("a script's norms that are applied through %s are told of once, and stay", (_, forward) => {
  const { findings, after } = planScript(attention({ forward }));
  expect(findings).toMatchObject([{ kind: "refused", reason: "unknown-norm" }]);
  expect(after).toBeUndefined();
});

test.each([
  ["of one side", ["q = self.q_norm(*[q])"]],
  ["that are only given something", ["self.fill(self.q_norm, q)", "self.fill(self.k_norm, k)"]],
  ["that are built", ["a = self.make_q_norm(*[q])", "b = self.make_k_norm(*[k])"]],
  [
    "of which only the weight is used",
    ["q = self.q_norm.weight.to(q.dtype)", "k = self.k_norm.weight.to(k.dtype)"],
  ],
  ["that are given sizes", ["a = self.q_norm(*[self.q_size])", "b = self.k_norm(*[self.k_size])"]],
])("norms %s are no step", (_, step) => {
  expect(planPython({ forward: [...made, ...step] }).findings).toEqual([]);
});
