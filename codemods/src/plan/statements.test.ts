import { describe, expect, test } from "vitest";
import { made, normed, planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

const indented = (lines: readonly string[]) => lines.map((line) => `        ${line}`);

describe("a case of Python's match", () => {
  const matching = (...cases: readonly string[]) =>
    planPython({ forward: [...made, "match self.mode:", ...cases] });

  test("is a branch, in which both norms become one call", () => {
    const { after } = matching(
      '    case "both" | Mode.BOTH:',
      ...indented(normed),
      "    case _:",
      "        pass",
    );
    expect(after).toMatch(/case "both" \| Mode\.BOTH:\n +q, k = apply_qk_norm\(/);
    expect(after).not.toContain("allow_inplace=False");
  });

  test("beside another one runs under another condition", () => {
    const { after, findings } = matching(
      '    case "q":',
      ...indented(normed.slice(0, 1)),
      '    case "k":',
      ...indented(normed.slice(1)),
    );
    expect(after).toBeUndefined();
    expect(findings).toMatchObject([{ reason: "conditional-side" }]);
  });

  test("is not known to be taken twice in the same way", () => {
    const twice = normed.flatMap((line) => ["match self.mode:", "    case 1:", `        ${line}`]);
    expect(planPython({ forward: [...made, ...twice] }).after).toBeUndefined();
  });

  test.each([
    ["as a name", "    case raw:"],
    ["in a list", "    case [_, raw]:"],
    ["behind `as`", "    case object() as raw:"],
    ["where a guard fails", "    case raw if context.flag:"],
  ])("may bind k %s, and then the helper writes apart", (_, pattern) => {
    const forward = [...made, "match (q, k):", pattern, "        pass", ...normed, "context.log(raw)"];
    expect(planPython({ forward }).after).toContain("allow_inplace=False");
  });

  test("that only compares leaves the helper its memory", () => {
    const forward = [...made, "match k.dtype:", "    case torch.float16:", "        pass", ...normed];
    const { after } = planPython({ forward });
    expect(after).toContain("apply_qk_norm(");
    expect(after).not.toContain("allow_inplace=False");
  });
});

describe("a case of a switch", () => {
  const both = "q = this.qNorm.forward(q); k = this.kNorm.forward(k);";
  const planned = (...cases: readonly string[]) =>
    planScript(
      attention({
        project: `    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]);
    const v = x;`,
        forward: `    switch (this.mode) {\n${cases.join("\n")}\n    }`,
      }),
    );

  test.each([
    ["that ends with a break", [`case "a":\n${both}\nbreak;`, "default:\nthis.log();"]],
    ["in a block", [`case "a":\ncase "b": {\n${both}\nbreak;\n}`, 'case "c":\nbreak;']],
    ["that is the default", ['case "a":\nbreak;', `default:\n${both}`]],
    ["that returns", [`case "a":\n${both}\nreturn this.attend(q, k, v);`]],
  ])("is a branch, in which both norms become one call: %s", (_, cases) => {
    const { after } = planned(...cases);
    expect(after).toContain("[q, k] = applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim);");
  });

  test.each([
    [
      "for each norm",
      ['case "q":\nq = this.qNorm.forward(q);\nbreak;', 'case "k":\nk = this.kNorm.forward(k);'],
    ],
    [
      "that runs on into the next",
      ['case "q":\nq = this.qNorm.forward(q);', 'case "k":\nk = this.kNorm.forward(k);'],
    ],
    [
      "that leaves between",
      [`case "q":\nq = this.qNorm.forward(q);\nif (this.a) break;\nk = this.kNorm.forward(k);`],
    ],
  ])("keeps the copy: %s", (_, cases) => {
    expect(planned(...cases).after).toBeUndefined();
  });
});

describe("statements that go", () => {
  test("leave one blank line where there was one on either side", () => {
    const rows = (side: string) => [
      `${side}_rows = ${side}.reshape(-1, self.head_dim)`,
      `${side}_rows = self.${side}_norm(${side}_rows)`,
      `${side} = ${side}_rows.view(${side}.shape)`,
      "",
    ];
    const { after } = planPython({ forward: [...made, ...rows("q"), ...rows("k"), "x = 1"] });
    expect(after).toMatch(/head_dim=self\.head_dim,\n +\)\n *\n +x = 1/);
  });

  test("may stand in a file with a star before a parenthesis", () => {
    const above = "def filled(a):\n    return a, *((None,) * 2)\n\n\n";
    expect(planPython({ forward: [...made, ...normed], above }).after).toContain("return a, *((None,) * 2)");
  });
});

describe("a statement that assigns to several variables", () => {
  test.each([
    ["of the result", "q = kept = self.q_norm(q)", "q = kept = q_normed"],
    ["and an attribute", "self.last = q = self.q_norm(q)", "self.last = q = q_normed"],
  ])("still does %s", (_, first, written) => {
    const { after } = planPython({ forward: [...made, first, normed[1]!] });
    expect(after).toContain(written);
    expect(after).toContain("k = k_normed");
  });

  test("stays whole where one of them is read elsewhere", () => {
    const forward = [
      ...made,
      "raw_shape = shape = q.shape",
      "q = self.q_norm(q.view(-1, self.head_dim)).view(shape)",
      "k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)",
      "self.log(raw_shape)",
    ];
    const { after } = planPython({ forward });
    expect(after).toContain("raw_shape = shape = q.shape");
    expect(after).toContain("apply_qk_norm(");
  });
});

describe("a way out between the two norms", () => {
  const between = (...lines: readonly string[]) => [normed[0]!, ...lines, normed[1]!];
  const inLoop = (...lines: readonly string[]) => [
    "for i in range(3):",
    ...[...made, ...between(...lines)].map((line) => `    ${line}`),
  ];
  const inTry = (handler: string, ...lines: readonly string[]) => [
    ...made,
    "try:",
    ...between(...lines).map((line) => `    ${line}`),
    handler,
    "    context.log(q, k)",
  ];

  test.each([
    ["leads behind a loop, where q is read", inLoop("if self.stop:", "    break")],
    ["leads into the next round of a loop", inLoop("if self.stop:", "    continue")],
    ["leads to a handler", inTry("except ValueError:", "if self.stop:", "    raise ValueError")],
    ["leads through a handler that always runs", inTry("finally:", "if self.stop:", "    return x")],
    ["gives back what the first one gave", [...made, ...between("if self.stop:", "    return q")]],
  ])("that %s keeps them", (_, forward) => {
    expect(planPython({ forward }).findings).toMatchObject([{ reason: "conditional-side" }]);
  });

  test("that gives back something else has the call behind it", () => {
    const { after } = planPython({ forward: [...made, ...between("if self.stop:", "    return x")] });
    expect(after).toMatch(/return x\n +q, k = apply_qk_norm\(/);
  });

  test("by an error that nobody catches is none", () => {
    const { after } = planPython({ forward: [...made, ...between("if self.stop:", "    raise ValueError")] });
    expect(after).toMatch(/apply_qk_norm\([^)]*\)\n +if self\.stop:\n +raise/);
  });
});

test("a function inside that does more than to normalise keeps its calls", () => {
  const inner = (more: readonly string[]) => [
    ...made,
    "def norm(module, t):",
    ...more.map((line) => `    ${line}`),
    "    return module(t.view(-1, self.head_dim)).view(t.shape)",
    "q = norm(self.q_norm, q)",
    "k = norm(self.k_norm, k)",
  ];
  expect(planPython({ forward: inner([]) }).findings).toMatchObject([{ kind: "replaced" }]);
  for (const more of ["self.count += 1", "context.log(t)", "self.last = t"])
    expect(planPython({ forward: inner([more]) }).findings).toMatchObject([{ reason: "ambiguous" }]);
});

test.each([
  ["as often as a counter says", "for i in range(2):"],
  ["as long as a condition holds", "while context.flag:"],
])("a loop that normalises what it has normalised before, %s, is kept", (_, loop) => {
  const forward = [...made, loop, ...normed.map((line) => `    ${line}`)];
  expect(planPython({ forward }).findings).toMatchObject([
    { reason: "ambiguous", message: "a loop normalises what it has normalised before" },
  ]);
});

test("norms of another kind that come before are left, and the helper is given what they gave", () => {
  const forward = [...made, "q = self.q_pre_norm(q)", ...normed];
  const { after } = planPython({ forward });
  expect(after).toMatch(/q = self\.q_pre_norm\(q\)\n +q, k = apply_qk_norm\(/);
  expect(after).toContain("allow_inplace=False");
});
