import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { untimed, withinProcessorTime } from "../../test/processor-time.ts";
import { equivalentCase, nearMissCase, type PythonCase } from "../../test/python-cases.ts";
import { engineWithoutModels, outputsOf, python, pythonFixtures } from "../../test/python-run.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { sglangProfile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";
import { type FilePlan, planFile } from "./plan-file.ts";

/** How many cases of each kind; `FUZZ_CASES=10000` for a long run. */
const cases = Number(process.env.FUZZ_CASES ?? 300);
const project = new Project([pythonFrontEnd]);
const profile = { ...sglangProfile, helper: { name: "apply_qk_norm", module: "engine.models.common" } };

function plan({ text }: PythonCase): FilePlan {
  // Beside the fixtures, so that the norm classes that it imports are found.
  const path = join(pythonFixtures, "keep", "engine", "models", "case.py");
  const form = project.add(path, "python", text);
  if (form === undefined) throw new Error("the case was not lowered");
  return planFile(form, { project, facts: new NormFacts(project), profile, filesMentioning: () => [] });
}

function wrong(of: (seed: number) => PythonCase, isRight: (plan: FilePlan) => boolean): readonly string[] {
  const seeds = Array.from({ length: cases }, (_, seed) => seed);
  return seeds.flatMap((seed) => {
    const one = of(seed);
    const { findings, after } = plan(one);
    if (isRight({ findings, after })) return [];
    const told = findings.map(({ reason, kind, message }) => `${reason ?? kind} (${message})`);
    return [`seed ${seed}, ${one.traits.join(", ")}: ${told.join("; ") || "nothing found"}`];
  });
}

describe("in random spellings", () => {
  test("the step is found and replaced, once", untimed, () => {
    const isOnce = ({ findings, after }: FilePlan) =>
      findings.filter(({ kind }) => kind === "replaced").length === 1 &&
      (after?.match(/ apply_qk_norm\(/g)?.length ?? 0) === 1;
    expect(withinProcessorTime(cases, () => wrong(equivalentCase, isOnce))).toEqual([]);
  });

  test.skipIf(python === undefined)("what the step becomes puts out the same bits", () => {
    const folder = mkdtempSync(join(tmpdir(), "python-fuzz-"));
    try {
      const models = engineWithoutModels(folder);
      writeFileSync(join(models, "before.py"), equivalentCase(0).text);
      for (let seed = 0; seed < 300; seed++) {
        writeFileSync(join(models, `seed_${seed}.py`), plan(equivalentCase(seed)).after ?? "");
      }
      const [before, ...after] = outputsOf(folder).map((line) => line.split(" Attention "));
      expect(after).toHaveLength(300);
      expect(after.flatMap(([name, bits]) => (bits === before?.[1] ? [] : [name]))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a near miss of the step is never replaced", untimed, () => {
    const isKept = ({ after }: FilePlan) => after === undefined;
    expect(withinProcessorTime(cases, () => wrong(nearMissCase, isKept))).toEqual([]);
  });
});
