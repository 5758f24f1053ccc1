import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LanguageFrontEnd } from "../languages/front-end.ts";
import { pythonFrontEnd } from "../languages/python/front-end.ts";
import { Project } from "./project.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qknorm-project-"));
  writeFileSync(join(folder, "norm.py"), norm);
});
afterAll(() => rmSync(folder, { recursive: true }));

const norm = "class RmsNorm:\n    pass\n";
const model = "from norm import RmsNorm\n";

/** Python's, which notes what it lowered and where imports were looked for. */
function watched() {
  const lowered: string[] = [];
  const followed: string[] = [];
  const frontEnd: LanguageFrontEnd = {
    ...pythonFrontEnd,
    lower: (source) => {
      lowered.push(source.text);
      return pythonFrontEnd.lower(source);
    },
    importTargets: (module, from, exists) => {
      followed.push(module);
      return pythonFrontEnd.importTargets(module, from, exists);
    },
  };
  return { project: new Project([frontEnd]), lowered, followed };
}

describe("a project", () => {
  it("finds a class in a file whose own code is a chain of thousands of conditions", () => {
    const { project } = watched();
    const chain = Array.from({ length: 5000 }, (_, i) => `elif a == ${i}:\n    q = k\n`).join("");
    const form = project.add(join(folder, "long.py"), "python", `${norm}if a:\n    q = k\n${chain}`)!;
    expect(project.resolveClass("RmsNorm", form)).toMatchObject({ declaration: { name: "RmsNorm" } });
  });

  it("lowers a file once that is imported first and then looked at itself", () => {
    const { project, lowered } = watched();
    const form = project.add(join(folder, "model.py"), "python", model)!;
    const found = project.resolveClass("RmsNorm", form);
    const own = project.add(join(folder, "norm.py"), "python", norm);
    expect(found).toEqual({ declaration: own!.classes[0], form: own });
    expect(lowered).toEqual([model, norm]);
  });

  it("lowers a file again that has another text now", () => {
    const { project } = watched();
    const path = join(folder, "norm.py");
    project.add(path, "python", norm);
    expect(project.add(path, "python", "x = 1\n")!.classes).toEqual([]);
    expect(project.form(path)!.text).toBe("x = 1\n");
  });

  it("follows an import of the files of one folder once", () => {
    const { project, followed } = watched();
    const targets = ["a.py", "b.py"].map((name) => {
      const form = project.add(join(folder, name), "python", model)!;
      return project.importTargets("norm", form);
    });
    expect(targets[0]).toEqual(targets[1]);
    expect(targets[0]![0]).toBe(join(folder, "norm.py").split("\\").join("/"));
    expect(followed).toEqual(["norm"]);
  });
});
