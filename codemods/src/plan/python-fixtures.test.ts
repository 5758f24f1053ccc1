import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, expect, test } from "vitest";
import { pythonFixtures } from "../../test/python-run.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { type Profile, sglangProfile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";
import { type FilePlan, planFile } from "./plan-file.ts";

const profile: Profile = {
  ...sglangProfile,
  helper: { name: "apply_qk_norm", module: "engine.models.common" },
};

/** The plan of every file under `tree`, by its path there. */
function plansOf(tree: string): ReadonlyMap<string, FilePlan> {
  const paths = readdirSync(tree, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".py"),
  );
  const read = (path: string) => readFileSync(join(tree, path), "utf8");
  const project = new Project([pythonFrontEnd]);
  const filesMentioning = (word: string) =>
    paths.filter((path) => read(path).includes(word)).map((path) => join(tree, path));
  const context = { project, facts: new NormFacts(project), profile, filesMentioning };
  return new Map(
    paths.map((path) => {
      const form = project.form(join(tree, path));
      if (form === undefined) throw new Error(`${path} was not read`);
      return [path.split(sep).join("/"), planFile(form, context)];
    }),
  );
}

describe("a copy of the step in Python that is the same function", () => {
  const [before, after] = ["before", "after"].map((name) => join(pythonFixtures, "replace", name)) as [
    string,
    string,
  ];
  const plans = plansOf(before);

  test.each([...plans.keys()])("becomes what is in the tree after, byte for byte: %s", (path) => {
    const was = readFileSync(join(before, path), "utf8");
    expect(plans.get(path)?.after ?? was).toBe(readFileSync(join(after, path), "utf8"));
  });

  test("is left alone by a second run", () => {
    const changed = [...plansOf(after)].filter(([, plan]) => plan.after !== undefined);
    expect(changed).toEqual([]);
  });
});

describe("a copy of the step in Python that is another function, or not safe to replace", () => {
  const plans = plansOf(join(pythonFixtures, "keep"));
  const models = [...plans].filter(([path]) => path.startsWith("engine/models/"));

  test.each([
    ["base", "overridden-method"],
    ["broken", "parse-error"],
    ["centered", "layer-norm"],
    ["either", "unknown-norm"],
    ["from_v", "ambiguous"],
    ["kept_before", "aliased-input"],
    ["missing_attribute", "unknown-norm"],
    ["only_q", "one-sided"],
    ["packed_read", "aliased-input"],
    ["renormed_base", "unknown-norm"],
    ["shadowed", "unknown-norm"],
    ["shared_k", "conditional-side"],
    ["swapped", "ambiguous"],
    ["torch_layer_norm", "layer-norm"],
    ["torch_rms", "unknown-norm"],
    ["transposed", "norm-not-per-head"],
    ["two_sizes", "different-head-dim"],
    ["unit_offset", "unit-offset-norm"],
    ["unknown", "unknown-norm"],
    ["walrus", "aliased-input"],
    ["whole_row", "norm-not-per-head"],
    ["written_between", "ambiguous"],
  ])("is refused with the reason: %s, %s", (name, reason) => {
    const findings = plans.get(`engine/models/${name}.py`)?.findings ?? [];
    expect(findings.map((finding) => finding.reason)).toContain(reason);
  });

  test.each(["in_a_loop", "other_axis"])("is refused: %s", (name) => {
    expect(plans.get(`engine/models/${name}.py`)?.findings).toMatchObject([{ kind: "refused" }]);
  });

  test.each(["derived", "low_rank", "never_called", "renormed"])(
    "is not found where there is none: %s",
    (name) => {
      expect(plans.get(`engine/models/${name}.py`)?.findings).toEqual([]);
    },
  );

  test("is not looked for in the module of the helper", () => {
    expect(plans.get("engine/models/common.py")?.findings).toEqual([]);
  });

  // Generated files are skipped before a plan is made.
  test.each(models.map(([path]) => path).filter((path) => !path.endsWith("generated.py")))(
    "keeps every byte: %s",
    (path) => {
      expect(plans.get(path)?.after).toBeUndefined();
    },
  );
});
