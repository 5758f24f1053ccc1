import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { pythonFixtures } from "../../test/python-run.ts";
import { attention, planScript } from "../../test/script-cases.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { qknormProfile, sglangProfile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";
import { type FilePlan, planFile } from "./plan-file.ts";

const steps = "        q = self.q_norm(q)\n        k = self.k_norm(k)\n";

function python({ top = "", bottom = "", step = steps }): FilePlan {
  const text = `${top}from torch import nn

from engine.layers.norms import RMSNorm


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.head_dim = config.head_dim
        self.q_norm = RMSNorm(self.head_dim)
        self.k_norm = RMSNorm(self.head_dim)

    def forward(self, x, attend):
        q, k = self.qk_proj(x).view(x.shape[0], -1, self.head_dim).split(self.sizes, dim=1)
${step}        return attend(q, k)
${bottom}`;
  const project = new Project([pythonFrontEnd]);
  const form = project.add(join(pythonFixtures, "keep", "engine", "models", "case.py"), "python", text);
  if (form === undefined) throw new Error("the case was not lowered");
  const profile = { ...sglangProfile, helper: { name: "apply_qk_norm", module: "engine.models.common" } };
  return planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning: () => [] });
}

const pythonImport = "from engine.models.common import apply_qk_norm";

describe("in Python the import", () => {
  test.each([
    ["where others stand at the end", "\n\nmain()\n\nimport sys\nfrom os import path\n"],
    ["where its module is imported at the end", "\n\nmain()\n\nfrom engine.models.common import other\n"],
    ["where it is imported at the end", `\n\nmain()\n\n${pythonImport}\n`],
  ])("stands before the code that uses it: %s", (_, bottom) => {
    const { after = "" } = python({ bottom });
    expect(after.indexOf(pythonImport)).toBeGreaterThan(-1);
    expect(after.indexOf(pythonImport)).toBeLessThan(after.indexOf("class Attention"));
  });

  test.each([
    ["in a try", `try:\n    ${pythonImport}\nexcept ImportError:\n    apply_qk_norm = None\n\n`],
    [
      "as another name of the module",
      "try:\n    from engine.models.common import other\nexcept ImportError:\n    other = None\n\n",
    ],
    ["as a package around it", "try:\n    import engine\nexcept ImportError:\n    engine = None\n\n"],
    ["under a test", `if os.name == "posix":\n    ${pythonImport}\n\n`],
    ["by a call", 'import importlib\n\ncommon = importlib.import_module("engine.models.common")\n'],
  ])("is not added where the helper may be missing: %s", (_, top) => {
    const plan = python({ top });
    expect(plan.after).toBeUndefined();
    expect(plan.findings).toMatchObject([{ reason: "helper-mismatch" }]);
  });

  test("is added where it is there for types only, which says nothing any more", () => {
    const top = `"""Doc."""\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    ${pythonImport}\n\n`;
    const { after = "" } = python({ top });
    expect(after.split(pythonImport)).toHaveLength(2);
    expect(after).toContain(`\n${pythonImport}`);
    expect(after).not.toContain("TYPE_CHECKING");
  });

  test.each([
    ["others", `    ${pythonImport}\n    from torch import Tensor\n`, "    from torch import Tensor\n"],
    [
      "a comment before it",
      `    # for types\n    ${pythonImport}\n    x = 1\n`,
      "    # for types\n    x = 1\n",
    ],
    ["another arm", `    ${pythonImport}\nelse:\n    Tensor = None\n`, "else:\n    Tensor = None\n"],
  ])("takes nothing from a block for types that has %s in it", (_, block, kept) => {
    const top = `from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n${block}\n`;
    const { after = "" } = python({ top });
    expect(after).toContain(kept);
    expect(after).toContain("if TYPE_CHECKING:\n    ");
    expect(after).toContain("from typing import TYPE_CHECKING\n");
  });

  test("stays on the line that a comment for a linter speaks of", () => {
    const names = "a_long_name_of_something, another_long_name_of_something, b_long_name";
    const top = `from engine.models.common import ${names}  # noqa: F401\n`;
    expect(python({ top }).after).toMatch(/import .*apply_qk_norm.* {2}# noqa: F401\n/);
  });
});

describe("a copy with a comment for a tool stays", () => {
  test.each([
    ["on one line for both", "        q = self.q_norm(q); k = self.k_norm(k)  # noqa: E702\n"],
    ["on the first", "        q = self.q_norm(q)  # type: ignore[operator]\n        k = self.k_norm(k)\n"],
    ["for a younger checker", "        q = self.q_norm(q)  # ty: ignore\n        k = self.k_norm(k)\n"],
    [
      "above",
      "        # pylint: disable-next=not-callable\n        q = self.q_norm(q)\n        k = self.k_norm(k)\n",
    ],
  ])("in Python, %s", (_, step) => {
    const plan = python({ step });
    expect(plan.after).toBeUndefined();
    expect(plan.findings).toMatchObject([{ reason: "comment-inside" }]);
  });

  test.each([
    ["@ts-expect-error above", "// @ts-expect-error\nq = this.qNorm.forward(q);\nk = this.kNorm.forward(k);"],
    [
      "eslint-disable-line",
      "q = this.qNorm.forward(q); // eslint-disable-line no-x\nk = this.kNorm.forward(k);",
    ],
    [
      "oxlint-disable-next-line",
      "// oxlint-disable-next-line x\nq = this.qNorm.forward(q);\nk = this.kNorm.forward(k);",
    ],
    ["dprint-ignore", "// dprint-ignore\nq = this.qNorm.forward(q);\nk = this.kNorm.forward(k);"],
    [
      "biome-ignore above the second",
      "q = this.qNorm.forward(q);\n// biome-ignore lint: why\nk = this.kNorm.forward(k);",
    ],
  ])("in TypeScript, %s", (_, forward) => {
    const project =
      "let [q, k] = this.qkProj.forward(x).reshape([-1, this.heads, this.headDim]).split(2);\nconst v = x;";
    expect(planScript(attention({ forward, project })).findings).toMatchObject([
      { reason: "comment-inside" },
    ]);
  });

  test("that speaks of a range, in a method that would go", () => {
    const code = attention({
      project: "let q = this.qProj.forward(x);\nlet k = this.kProj.forward(x);\nconst v = x;",
      forward: "[q, k] = this.#normed(q, k);",
      members: `  #normed(q: Tensor, k: Tensor): [Tensor, Tensor] {
    /* eslint-disable no-param-reassign */
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return [q, k];
  }
`,
    });
    expect(planScript(code).findings).toMatchObject([{ reason: "comment-inside" }]);
    const without = code.replace("    /* eslint-disable no-param-reassign */\n", "");
    expect(planScript(without).findings).toMatchObject([{ kind: "replaced" }]);
  });

  test("at the call of a method that is the step", () => {
    const rows = (x: string) => `this.${x}Norm.forward(${x}.reshape([-1, this.headDim])).reshape(${x}.shape)`;
    const members = `  private norms(q: Tensor, k: Tensor) {\n    return [${rows("q")}, ${rows("k")}];\n  }\n`;
    const plan = (forward: string) => planScript(attention({ forward, members })).findings[0];
    expect(plan("[q, k] = this.norms(q, k);")).toMatchObject({ kind: "replaced" });
    expect(plan("[q, k] = this.norms(q, k); // eslint-disable-line")).toMatchObject({
      reason: "comment-inside",
    });
  });
});

describe("in TypeScript an import of the helper's type", () => {
  const forward =
    "q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);\nk = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);";
  test.each([
    ['import type { applyQkNorm } from "@qknorm/core";', 'import { applyQkNorm } from "@qknorm/core";'],
    [
      'import type { applyQkNorm, QkNormOptions } from "@qknorm/core";',
      'import { applyQkNorm, type QkNormOptions } from "@qknorm/core";',
    ],
    [
      'import { type applyQkNorm, planQkNorm } from "@qknorm/core";',
      'import { applyQkNorm, planQkNorm } from "@qknorm/core";',
    ],
  ])("becomes one of its value: %s", (imports, wanted) => {
    const { after = "" } = planScript(attention({ forward, imports }));
    expect(after).toContain(wanted);
    expect(after.match(/@qknorm\/core/g)).toHaveLength(1);
  });

  test("does not come between a comment for a tool and its import", () => {
    const imports = '// @ts-expect-error no types\nimport { a } from "z";\n';
    const { after = "" } = planScript(attention({ forward, imports }).replace(/^import[^\n]*\n/, ""), {
      profile: qknormProfile,
    });
    expect(after).toContain(imports.trim());
    expect(after).toContain('import { applyQkNorm } from "@qknorm/core";');
  });

  test("is not added where the module may be missing", () => {
    const imports = 'let core;\ntry {\n  core = await import("@qknorm/core");\n} catch {}\n';
    expect(planScript(attention({ forward, imports })).after).toBeUndefined();
  });
});
