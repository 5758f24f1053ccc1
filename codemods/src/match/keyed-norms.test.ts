import { expect, test } from "vitest";
import { made, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

test.each([
  ["a dict of norms", ['q = self.norms["q"](q)', 'k = self.norms["k"](k)']],
  ["a list for each side", ["q = self.q_norm[context.layer](q)", "k = self.k_norm[context.layer](k)"]],
  ["attributes of a holder of norms", ["q = self.norms.q(q)", "k = self.norms.k(k)"]],
])("norms that are items of %s are told of once, and stay", (_, step) => {
  const { findings, after } = planPython({ forward: [...made, ...step] });
  expect(findings).toMatchObject([{ kind: "refused", reason: "unknown-norm" }]);
  expect(after).toBeUndefined();
});

test("a script's norms in an object are told of", () => {
  const forward = "q = this.norms.q.forward(q);\nk = this.norms.k.forward(k);";
  expect(planScript(attention({ forward })).findings).toMatchObject([
    { kind: "refused", message: expect.stringContaining("items of a list or dict") },
  ]);
});

test.each([
  ["of one side", ['q = self.norms["q"](q)']],
  ["of something else", ['q = self.heads["q"](q)', 'k = self.heads["k"](k)']],
  ["that are only looked at", ['context.log(self.norms["q"].weight, self.norms["k"].weight)']],
])("items %s are no step", (_, step) => {
  expect(planPython({ forward: [...made, ...step] }).findings).toEqual([]);
});
