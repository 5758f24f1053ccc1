import { expect, test } from "vitest";
import { made, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

test.each([
  ["a generator", ["q, k = (norm(t) for norm, t in zip((self.q_norm, self.k_norm), (q, k)))"]],
  ["a list", ["q, k = [norm(t) for norm, t in ((self.q_norm, q), (self.k_norm, k))]"]],
  ["map with one norm for both", ["q, k = map(self.qk_norm, (q, k))"]],
  ["a list with one norm for both", ["q, k = [self.qk_norm(t) for t in (q, k)]"]],
  [
    "a loop",
    [
      "out = []",
      "for norm, t in ((self.q_norm, q), (self.k_norm, k)):",
      "    out.append(norm(t))",
      "q, k = out",
    ],
  ],
])("norms that %s goes over are told of once, and stay", (_, step) => {
  const { findings, after } = planPython({ forward: [...made, ...step] });
  expect(findings).toMatchObject([{ kind: "refused", reason: "ambiguous" }]);
  expect(after).toBeUndefined();
});

test("a script's map over pairs of norm and tensor is told of", () => {
  const forward = "[q, k] = [[this.qNorm, q], [this.kNorm, k]].map(([norm, t]) => norm.forward(t));";
  expect(planScript(attention({ forward })).findings).toMatchObject([
    { kind: "refused", reason: "ambiguous", message: expect.stringContaining("loop over q and k") },
  ]);
});

test.each([
  ["over the norms alone", ["for norm in (self.q_norm, self.k_norm):", "    norm.reset_parameters()"]],
  [
    "that only asks about them",
    ["ok = all(fits(t.view(-1), norm.weight) for t, norm in ((q, self.q_norm), (k, self.k_norm)))"],
  ],
  ["over the tensors alone", ["q, k = [self.scaled(t) for t in (q, k)]"]],
])("a loop %s is no step", (_, step) => {
  expect(planPython({ forward: [...made, ...step] }).findings).toEqual([]);
});

test("a class in a function is looked at where it stands, and not again as code of the function", () => {
  const above = `def make(config):
    class Inner(nn.Module):
        def __init__(self):
            self.head_dim = config.head_dim
            self.q_norm = Norm(config.head_dim)
            self.k_norm = Norm(config.head_dim)

        def forward(self, x):
            q, k = self.qk_proj(x).chunk(2, dim=-1)
            q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
            k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)
            return self.attend(q, k)

    return Inner


`;
  expect(planPython({ above, forward: made }).findings).toMatchObject([
    { kind: "replaced", symbol: "Inner.forward" },
  ]);
});
