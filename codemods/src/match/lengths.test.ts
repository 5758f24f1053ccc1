import { expect, it } from "vitest";
import { normed, planPython } from "../../test/python-plan.ts";

const projected = "q, k = project(self, x, context)";

function outcome(...cut: readonly string[]): string {
  const { after, findings } = planPython({ forward: [projected, ...cut, ...normed] });
  return after === undefined ? (findings[0]?.message ?? "nothing") : "replaced";
}

it("keeps a copy where k alone has the tokens of several frames on an axis of their own, which q attends to", () => {
  expect(
    outcome(
      "batch, frames, points, _ = context.shape",
      "q = q.unflatten(2, (self.heads, -1))",
      "k = k.view(batch, frames, points, self.heads, -1)",
    ),
  ).toMatch(/k alone has its tokens on 3 axes/);
});

it("replaces it where q and k are cut alike, on however many axes, and where one names what the other keeps", () => {
  const frames = (side: string) => `${side} = ${side}.view(*x.shape[:3], self.heads, self.head_dim)`;
  expect(outcome(frames("q"), frames("k"))).toBe("replaced");
  expect(
    outcome(
      "q = q.unflatten(2, (self.heads, self.head_dim))",
      "k = k.view(x.shape[0], x.shape[1], self.kv_heads, self.head_dim)",
    ),
  ).toBe("replaced");
});
