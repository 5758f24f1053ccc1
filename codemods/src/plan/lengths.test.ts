import { describe, expect, test } from "vitest";
import { made, normed, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";
import type { FilePlan } from "./plan-file.ts";

const reasonsOf = ({ findings }: FilePlan) => findings.map(({ reason, kind }) => reason ?? kind);

describe("q and k that may be of different length", () => {
  const fn = (forward: readonly string[], head = "") => planPython({ forward, head });

  test.each<[string, readonly string[]]>([
    [
      "on one way of a branch",
      [
        "if context is None:",
        "    q, k = self.qk_proj(x).split([self.q_size, self.k_size], dim=-1)",
        "else:",
        "    q = self.q_proj(x)",
        "    k = context[0]",
        "q = q.view(-1, self.heads, self.head_dim)",
        "k = k.view(-1, self.kv_heads, self.head_dim)",
        ...normed,
      ],
    ],
    [
      "where k comes from outside",
      [
        "q = self.wide(x).view(-1, self.heads, self.head_dim)",
        "k = context.view(-1, self.heads, self.head_dim)",
        ...normed,
      ],
    ],
    ["where only the last token of q is kept", [...made, "q = q[-1:]", ...normed]],
    [
      "where q is of the last token",
      [
        "q = self.q_proj(x[:, -1:]).view(-1, self.heads, self.head_dim)",
        "k = self.k_proj(x).view(-1, self.heads, self.head_dim)",
        ...normed,
      ],
    ],
    ["where k has the past before it", [...made, "k = torch.cat([context.past, k], 0)", ...normed]],
    ["where k is picked by an index", [...made, "k = k[context.index]", ...normed]],
    ["where k is picked by a function", [...made, "k = k.index_select(0, context.index)", ...normed]],
    ["where a cache puts the past before k", [...made, "k, v = past.update(k, x)", ...normed]],
    ["where k alone is narrowed", [...made, "k = k.narrow(0, 0, context.n)", ...normed]],
    ["where k is repeated", [...made, "k = k.repeat(2, 1, 1)", ...normed]],
    [
      "where k is pooled",
      [
        "q = self.q_proj(x).view(-1, self.heads, self.head_dim)",
        "k = self.k_proj(self.pool(x)).view(-1, self.heads, self.head_dim)",
        ...normed,
      ],
    ],
  ])("stay: %s", (_, forward) => {
    const plan = fn(forward);
    expect(plan.after).toBeUndefined();
    expect(reasonsOf(plan)).toEqual(["helper-mismatch"]);
  });

  test.each<[string, readonly string[]]>([
    ["by the same index", [...made, "q, k = q[context.index], k[context.index]", ...normed]],
    [
      "by pools of their own",
      [
        "q = self.q_pool(self.q_proj(x)).view(-1, self.heads, self.head_dim)",
        "k = self.k_pool(self.k_proj(x)).view(-1, self.heads, self.head_dim)",
        ...normed,
      ],
    ],
    [
      "out of one packed tensor",
      [
        "qkv = self.qkv_proj(x)",
        "q = qkv[:, : self.q_size].view(-1, self.heads, self.head_dim)",
        "k = qkv[:, self.q_size : self.q_size + self.k_size].view(-1, self.kv_heads, self.head_dim)",
        ...normed,
      ],
    ],
    [
      "out of a packed axis",
      [
        "q = self.q_proj(x).view(-1, self.heads, self.head_dim)",
        "kv = self.kv_proj(x).view(-1, 2, self.kv_heads, self.head_dim)",
        "k, v = kv[:, 0], kv[:, 1]",
        ...normed,
      ],
    ],
  ])("are not those that are cut alike: %s", (_, forward) => {
    expect(reasonsOf(fn(forward))).toEqual(["replaced"]);
  });

  test("stay where they have another number of axes", () => {
    const cut = (x: string, shape: string) =>
      `${x} = self.${x}_proj(x).view(${shape}, self.heads, self.head_dim)`;
    expect(reasonsOf(fn([cut("q", "-1"), cut("k", "1, -1"), ...normed]))).toEqual(["helper-mismatch"]);
    expect(reasonsOf(fn([cut("q", "1, -1"), cut("k", "1, -1"), ...normed]))).toEqual(["replaced"]);
  });

  const pair = `    def _normed(self, q, k):
        q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
        k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)
        return q, k

`;

  test.each<[string, readonly string[], string]>([
    ["of one tensor", [made[0]!, "q, k = self._normed(q, k)"], "replaced"],
    ["of two tensors", ["q, k = self._normed(self.q_proj(x), self.k_proj(context))"], "helper-mismatch"],
    ["of which one is cut", [made[0]!, "q, k = self._normed(q[-1:], k)"], "helper-mismatch"],
  ])("are held to the same at calls of a method that is the step: %s", (_, forward, outcome) => {
    expect(reasonsOf(fn(forward, pair))).toEqual([outcome]);
  });

  test("stay where the code speaks of cross attention", () => {
    const head = `    def cross(self, q, kv):
        q = q.view(*q.shape[:-1], -1, self.head_dim)
        k, v = kv.view(*kv.shape[:-1], -1, 2 * self.head_dim).split(self.head_dim, dim=-1)
        q = self.q_norm(q)
        k = self.k_norm(k)
        return self.attend(q, k, v)

`;
    const plan = fn([...made, ...normed], head);
    expect(reasonsOf(plan)).toEqual(["helper-mismatch", "replaced"]);
  });

  test("are not those that a cast was given from one caller", () => {
    const head = `    def attend_to(self, q, k):
        q = self.q_norm(q.float().view(-1, self.heads, self.head_dim))
        k = self.k_norm(k.view(-1, self.kv_heads, self.head_dim))
        return self.attend(q, k)

`;
    expect(reasonsOf(fn([...made, ...normed], head))).toEqual(["replaced", "replaced"]);
  });
});

describe("q and k that are cut into heads", () => {
  const projected = "q, k = project(self, x, context)";

  function outcome(...cut: readonly string[]): string {
    const { after, findings } = planPython({ forward: [projected, ...cut, ...normed] });
    return after === undefined ? (findings[0]?.message ?? "nothing") : "replaced";
  }

  test("keeps a copy where k alone has the tokens of several frames on an axis of their own, which q attends to", () => {
    expect(
      outcome(
        "batch, frames, points, _ = context.shape",
        "q = q.unflatten(2, (self.heads, -1))",
        "k = k.view(batch, frames, points, self.heads, -1)",
      ),
    ).toMatch(/k alone has its tokens on 3 axes/);
  });

  test("replaces it where q and k are cut alike, on however many axes, and where one names what the other keeps", () => {
    const frames = (side: string) => `${side} = ${side}.view(*x.shape[:3], self.heads, self.head_dim)`;
    expect(outcome(frames("q"), frames("k"))).toBe("replaced");
    expect(
      outcome(
        "q = q.unflatten(2, (self.heads, self.head_dim))",
        "k = k.view(x.shape[0], x.shape[1], self.kv_heads, self.head_dim)",
      ),
    ).toBe("replaced");
  });
});

test.each<[string, string]>([
  ["where only the last token of q is projected", "q = this.qProj.forward(x.slice(-1));"],
  ["where a cache puts the past before k", "[k] = this.cache.update(k);"],
])("a script's q and k that may be of different length stay: %s", (_, made) => {
  const forward = `${made}
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);`;
  const { findings, after } = planScript(attention({ forward }));
  expect(findings).toMatchObject([{ kind: "refused", reason: "helper-mismatch" }]);
  expect(after).toBeUndefined();
});
