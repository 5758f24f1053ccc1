import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { equivalentCase } from "./python-cases.ts";
import { engineWithoutModels, outputsOf, python, pythonFixtures } from "./python-run.ts";

const folder = mkdtempSync(join(tmpdir(), "python-meaning-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(python === undefined)("run by Python", () => {
  test("the fixtures put out the same bits before and after", () => {
    const [before, after] = ["before", "after"].map((name) =>
      outputsOf(join(pythonFixtures, "replace", name)),
    );
    expect(after).toEqual(before);
    expect(before?.map((line) => line.split(" ")[1])).toEqual([
      "AlsoVAttention",
      "ByHeadAttention",
      "CalledAttention",
      "CasesAttention",
      "EarlyReturnAttention",
      "GuardedAttention",
      "HeadsFirstAttention",
      "HeadsStayAttention",
      "OneLineAttention",
      "OneLinersAttention",
      "FlatAttention",
      "RowsAttention",
      "SidesAttention",
      "ScaledAttention",
      "StreamsAttention",
      "TabsAttention",
    ]);
  });

  test("random spellings of the step put out the same bits", () => {
    const root = join(folder, "spellings");
    const models = engineWithoutModels(root);
    for (let seed = 0; seed < 100; seed++) {
      writeFileSync(join(models, `case_${seed}.py`), equivalentCase(seed).text);
    }
    const outputs = outputsOf(root).map((line) => line.split(" ").slice(2).join(" "));
    expect(outputs).toHaveLength(100);
    expect(new Set(outputs).size).toBe(1);
  });

  // What the comparison above is worth: each of these would be wrong, and shows.
  test.each([
    ["kept_before.py", "self.q_norm", "self.k_norm"],
    ["packed_read.py", "self.q_norm", "self.k_norm"],
    ["swapped.py", "self.q_norm", "self.k_norm"],
    ["other_axis.py", "self.q_norm", "self.k_norm"],
  ])("a copy that was wrongly replaced puts out other bits: %s", (name, qNorm, kNorm) => {
    const [before, after] = ["kept", "replaced"].map((tree) => {
      const root = join(folder, name, tree);
      cpSync(join(pythonFixtures, "keep", "engine", "models", name), join(engineWithoutModels(root), name));
      return root;
    }) as [string, string];
    const path = join(after, "engine", "models", name);
    const text = readFileSync(path, "utf8");
    const call = `        q, k = apply_qk_norm(q, k, ${qNorm}, ${kNorm}, self.head_dim)\n`;
    const steps = /^ {8}q = [^\n]*_norm\([^\n]*\n {8}k = [^\n]*\n/m;
    expect(text).toMatch(steps);
    writeFileSync(path, `from engine.models.common import apply_qk_norm\n${text.replace(steps, call)}`);
    expect(outputsOf(after)).not.toEqual(outputsOf(before));
  });
});
