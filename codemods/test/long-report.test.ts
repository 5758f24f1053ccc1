import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();
const generated = `// @generated\n${step}`;

async function manyModels(): Promise<void> {
  for (let i = 0; i < 40; i++) await models.write(`src/models/one${i}.js`, generated);
  for (let i = 0; i < 20; i++) await models.write(`src/models/two${i}.js`, onlyQ);
  for (let i = 0; i < 10; i++) await models.write(`src/models/three${i}.js`, step);
  await models.write("src/kernels/fused.js", onlyQ);
  await models.write("test/reference.js", onlyQ);
}

describe("the report of many copies", () => {
  it("folds copies of one reason into one line with a count and a few places", async () => {
    await manyModels();
    const { stdout } = await models.run([]);
    expect(stdout).toContain("generated-file: 40 in 40 files; --all lists them");
    expect(stdout.match(/one\d+\.js/g)).toHaveLength(3);
    expect(stdout.split("\n").length).toBeLessThan(70);
  });

  it("tells paths without the folder that they share", async () => {
    await manyModels();
    const { stdout } = await models.run([]);
    expect(stdout).toContain(`Paths are in ${models.path}/\n`);
    expect(stdout).toContain("  src/models/three0.js:5  Attention.run\n");
  });

  it("keeps kernels and references apart from models, whatever the repository is called", async () => {
    await manyModels();
    const { stdout } = await models.run([]);
    const [, kept = ""] = stdout.split("Kept as they are");
    const [model, kernels = ""] = kept.split("Kept in kernels and what calls them");
    const [kernel, reference] = kernels.split("Kept in tests, benchmarks and reference implementations");
    expect(model).toContain("one-sided: 20 in 20 files");
    expect(kernel).toContain("src/kernels/fused.js");
    expect(reference).toContain("test/reference.js");
  });

  it("ends with the reasons, those first about which something can be done", async () => {
    await manyModels();
    const { stdout } = await models.run([]);
    expect(stdout).toMatch(/generated-file +40 +40 {2}A program[^\n]*\n {2}one-sided +22 +22 {2}Only/);
  });

  it("lists every copy with --all, with its change or its advice", async () => {
    await manyModels();
    const { stdout } = await models.run(["--all"]);
    expect(stdout.match(/\[one-sided\]/g)).toHaveLength(22);
    expect(stdout.match(/^ {6}\+.*applyQkNorm\(/gm)).toHaveLength(10);
  });
});

describe("the report of a few copies", () => {
  it("tells each in full", async () => {
    await models.write("a.js", step);
    await models.write("b.js", onlyQ);
    const { stdout } = await models.run([]);
    expect(stdout).toContain(`${models.path}/b.js:5  Attention.run  [one-sided]`);
    expect(stdout).toContain("applyQkNorm(");
    expect(stdout).not.toContain("--all");
  });
});

describe("the report of copies of which this helper can stand for none", () => {
  const crossing = step.replace("this.kProj(x)", "this.kProj(this.given)");

  it("names the helper that could be made from them", async () => {
    await models.write("a.js", crossing);
    const { stdout } = await models.run([]);
    expect(stdout).toContain("1 copy is kept for what this helper is like.");
    expect(stdout).toContain("--emit-helper FILE  write it to FILE");
    const emitted = await models.run(["--emit-helper", `${models.path}/helper.js`]);
    expect(emitted.stdout).toContain("1 copy can be replaced");
    expect(emitted.stdout).not.toContain("add\n  --emit-helper");
  });

  it("names none where no helper could stand for them, or some can be replaced", async () => {
    await models.write("a.js", onlyQ);
    expect((await models.run([])).stdout).not.toContain("--emit-helper");
    await models.write("b.js", step);
    await models.write("c.js", crossing);
    expect((await models.run([])).stdout).not.toContain("  --emit-helper FILE");
  });
});
