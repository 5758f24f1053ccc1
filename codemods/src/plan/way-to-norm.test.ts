import { describe, expect, test } from "vitest";
import { made, normed, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

const packed = ["q, k, v = self.qkv_proj(x).split([self.q_size, self.kv_size, self.kv_size], dim=-1)"];
const side = (name: string, heads: string) => [
  `${name} = ${name}.unflatten(-1, (${heads}, self.head_dim))`,
  `${name} = self.${name}_norm(${name})`,
  `${name} = ${name}.flatten(-2, -1)`,
];

describe("what only looks at k in another way, after q was normalised", () => {
  test("goes to where the call stands", () => {
    const { after } = planPython({
      forward: [...packed, ...side("q", "self.heads"), ...side("k", "self.kv_heads")],
    });
    expect(after).toMatch(/q=q,\n +k=k\.unflatten\(-1, \(self\.kv_heads, self\.head_dim\)\),/);
    expect(after).toMatch(/\)\n +q = q\.flatten\(-2, -1\)\n +k = k\.flatten\(-2, -1\)/);
    expect(after).not.toContain("allow_inplace=False");
  });

  test("goes there from a variable of its own too", () => {
    const forward = `    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    q = this.rope(this.qNorm.forward(q));
    const cut = this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]);
    const k = this.rope(this.kNorm.forward(cut));
    const v = x;`;
    const { after } = planScript(attention({ project: "", forward }));
    expect(after?.replace(/\s+/g, " ")).toContain(
      "applyQkNorm( q, this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]),",
    );
    expect(after).not.toContain("const cut");
  });

  test.each([
    [
      "is read by somebody else",
      [...side("q", "self.heads"), side("k", "self.kv_heads")[0]!, "context.log(k)"],
    ],
    [
      "takes what was made of q",
      [...side("q", "self.heads"), "k = k.view(*q.shape[:-1], -1, self.head_dim)"],
    ],
    [
      "may do more than to look",
      [...side("q", "self.heads"), "k = context.update(k).unflatten(-1, (self.kv_heads, self.head_dim))"],
    ],
  ])("stays, and the copy with it, where it %s", (_, before) => {
    const forward = [...packed, ...before, ...side("k", "self.kv_heads").slice(1)];
    expect(planPython({ forward }).after).toBeUndefined();
  });
});

describe("a way out between the two norms", () => {
  const between = (lines: readonly string[], after: readonly string[] = []) =>
    planPython({ forward: [...made, normed[0]!, ...after, ...lines, normed[1]!] });

  test("keeps the copy where only one of them would run", () => {
    const { findings } = between(["if context is None:", "    return q"]);
    expect(findings).toMatchObject([{ reason: "conditional-side" }]);
  });

  test("is no way where it is an error, or where nobody asks for the first before the second", () => {
    expect(between(["if context is None:", "    raise ValueError(x)"]).after).toContain("apply_qk_norm(");
    expect(between(["if context is None:", "    return x"]).after).toContain("apply_qk_norm(");
  });
});

describe("a norm of v", () => {
  test.each([
    ["after both", [...normed, "v = self.v_norm(v)"]],
    ["between the two", [normed[0]!, "v = self.v_norm(v)", normed[1]!]],
    ["beside them", ["q, k, v = self.q_norm(q), self.k_norm(k), self.v_norm(v)"]],
  ])("stays: %s", (_, lines) => {
    const { after } = planPython({ forward: [...made, "v = self.v_proj(x)", ...lines] });
    expect(after).toContain("apply_qk_norm(");
    expect(after).toContain("self.v_norm(v)");
    expect(after).not.toContain("allow_inplace=False");
  });

  test("that takes k as it was makes the helper write apart", () => {
    const { after } = planPython({ forward: [...made, "v = self.v_norm(k)", ...normed, "context.log(v)"] });
    expect(after).toContain("allow_inplace=False");
  });
});

describe("a function for each side", () => {
  const helper = (name: string) => `    def _${name}(self, ${name}):
        return self.${name}_norm(${name}.reshape(-1, self.head_dim)).view(${name}.shape)

`;
  test("is told of with the pair that its caller makes", () => {
    const forward = [...packed, "q = self._q(q)", "k = self._k(k)"];
    const { after, findings } = planPython({ forward, head: helper("q") + helper("k") });
    expect(findings).toMatchObject([{ kind: "replaced", symbol: "Attention.forward" }]);
    expect(after).toContain("q_norm=self.q_norm,");
  });

  test("is told of by itself where nobody makes a pair of it", () => {
    const forward = [...packed, "q = self._q(q)"];
    expect(planPython({ forward, head: helper("q") }).findings).toMatchObject([{ reason: "one-sided" }]);
  });
});

describe("a method of something that is no tensor for sure", () => {
  test.each([
    ["log", "context.log(k)"],
    ["add, of an item", "context[0].add(k)"],
    ["add, of what a call gives", "context.taps().add(k)"],
    ["mul", "context.mul(q, k)"],
    ["select", "context.select(k)"],
    ["view, of an attribute", "self.taps.view(k)"],
  ])("may keep what it is given, whatever it is called: %s", (_, line) => {
    expect(planPython({ forward: [...made, line, ...normed] }).after).toContain("allow_inplace=False");
  });

  test("but that of a tensor keeps nothing", () => {
    const forward = [...made, "sums = q.add(1.0).mul(q.sum())", ...normed, "context.log(sums)"];
    expect(planPython({ forward }).after).not.toContain("allow_inplace=False");
  });
});

describe("a branch whose arms do the same", () => {
  const branch = (test: string) => [
    ...made,
    `if ${test}:`,
    ...normed.map((line) => `    ${line}`),
    "else:",
    ...normed.map((line) => `    ${line}`),
  ];

  test.each(["self.flag", "context.is_ready()", "len(context.shapes) > 2"])(
    "goes where it asks %s",
    (asked) => {
      expect(planPython({ forward: branch(asked) }).after).not.toContain("if ");
    },
  );

  test.each(["context.pop()", "(n := context.size)", "self.next(k)"])(
    "stays where asking %s may do something",
    (asked) => {
      expect(planPython({ forward: branch(asked) }).after).toBeUndefined();
    },
  );
});

describe("what a stream is given to run", () => {
  const onTwo = (body: string) => `    if (this.altStream !== null && isCapturing()) {
      const main = currentStream();
      this.altStream.waitFor(main);
      q = this.qNorm.forward(q);
      k = this.altStream.run(() => { ${body} });
      main.waitFor(this.altStream);
    } else {
      q = this.qNorm.forward(q);
      k = this.kNorm.forward(k);
    }`;
  const planned = (body: string) =>
    planScript(
      attention({
        project: `    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]);
    const v = x;`,
        forward: onTwo(body),
      }),
    );

  test("goes with the branch where it only normalises", () => {
    expect(planned("return this.kNorm.forward(k);").after).toContain("altStream: this.altStream");
  });

  test.each(["this.count += 1;", "this.log(k);", "this.taps.push(k);"])(
    "keeps the copy where it says %s",
    (more) => {
      expect(planned(`${more} return this.kNorm.forward(k);`).after).toBeUndefined();
    },
  );
});

describe("the word for where the heads stand", () => {
  test.each(['"', "'"])("is in the quotes of the file: %s", (quote) => {
    const code = attention({
      project: `    let q = this.qProj.forward(x).reshape([b, t, this.heads, this.headDim]).transpose(1, 2);
    let k = this.kProj.forward(x).reshape([b, t, this.kvHeads, this.headDim]).transpose(1, 2);
    const v = x;`,
      forward: "    q = this.qNorm.forward(q);\n    k = this.kNorm.forward(k);",
    });
    expect(planScript(code.replaceAll('"', quote)).after).toContain(`layout: ${quote}heads-first${quote}`);
  });
});
