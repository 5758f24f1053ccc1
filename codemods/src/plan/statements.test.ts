import { describe, expect, test } from "vitest";
import { made, normed, planPython } from "../../test/python-plan.ts";

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
