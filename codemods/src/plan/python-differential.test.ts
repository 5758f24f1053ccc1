import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { untimed, withinProcessorTime } from "../../test/processor-time.ts";
import { aliasCase, lookAlikeCase } from "../../test/python-aliases.ts";
import type { PythonCase } from "../../test/python-cases.ts";
import { engineWithoutModels, outputsOf, python, pythonFixtures } from "../../test/python-run.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { sglangProfile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";
import { planFile } from "./plan-file.ts";

/** How many cases; `FUZZ_CASES=10000` for a long run. */
const cases = Number(process.env.FUZZ_CASES ?? 300);
/** Files that one process of Python runs. */
const batch = 500;
const project = new Project([pythonFrontEnd]);
const profile = { ...sglangProfile, helper: { name: "apply_qk_norm", module: "engine.models.common" } };

function after({ text }: PythonCase): string | undefined {
  const form = project.add(join(pythonFixtures, "keep", "engine", "models", "case.py"), "python", text);
  if (form === undefined) throw new Error("the case was not lowered");
  return planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning: () => [] }).after;
}

/** The cases whose replacement puts out something else than the copy, where the helper overwrites what it is given. */
function differing(of: (seed: number) => PythonCase): {
  readonly wrong: readonly string[];
  readonly replaced: number;
} {
  const wrong: string[] = [];
  let replaced = 0;
  for (let first = 0; first < cases; first += batch) {
    const folder = mkdtempSync(join(tmpdir(), "python-differential-"));
    try {
      const models = engineWithoutModels(folder);
      const seeds = Array.from({ length: Math.min(batch, cases - first) }, (_, i) => first + i);
      const changed = seeds.filter((seed) => {
        const one = of(seed);
        const text = after(one);
        if (text === undefined) return false;
        writeFileSync(join(models, `before_${seed}.py`), one.text);
        writeFileSync(join(models, `after_${seed}.py`), text);
        return true;
      });
      replaced += changed.length;
      const outputs = new Map(outputsOf(folder).map((line) => line.split(" Attention ") as [string, string]));
      for (const seed of changed)
        if (outputs.get(`before_${seed}`) !== outputs.get(`after_${seed}`))
          wrong.push(`seed ${seed}: ${of(seed).traits.join(", ")}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return { wrong, replaced };
}

describe.skipIf(python === undefined)("run by Python with a helper that overwrites q and k", () => {
  test("whoever keeps q or k sees what he saw before, or the copy stays", untimed, () => {
    const { wrong, replaced } = withinProcessorTime(cases, () => differing(aliasCase));
    expect(wrong).toEqual([]);
    expect(replaced).toBeGreaterThan(cases / 2);
  });

  test("a norm that only looks like the helper's gives what it gave, or the copy stays", untimed, () => {
    expect(withinProcessorTime(cases, () => differing(lookAlikeCase)).wrong).toEqual([]);
  });
});
