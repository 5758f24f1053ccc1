import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { attention, norms as namedNorms, plainRms } from "../../test/script-cases.ts";
import { scriptFrontEnd } from "../languages/typescript/front-end.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import { Project } from "../project/project.ts";
import { type FilePlan, planFile } from "./plan-file.ts";

/** A name that says nothing: what the class computes has to be read from its code. */
const norms = namedNorms.replaceAll("RmsNorm", "Scaled");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "script-resolution-"));
  mkdirSync(join(folder, ".git"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const step = `    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);`;

/** Plans `app/attention.ts`, whose norm class comes by the given import, among the given files. */
function plan(importLine: string, files: Readonly<Record<string, string>>, norm = "Scaled"): FilePlan {
  const code = attention({ forward: step, norm }).replace(/^import .*$/m, importLine);
  const path = join(folder, "app", "attention.ts");
  for (const [name, text] of Object.entries({ ...files, "app/attention.ts": code })) {
    const target = join(folder, name);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  const project = new Project([scriptFrontEnd]);
  const form = project.add(path, "typescript", code)!;
  const context = { project, facts: new NormFacts(project), profile: plainRms, filesMentioning: () => [] };
  return planFile(form, context);
}

const named = 'import { Scaled } from "MODULE";';
const layout = (name: string) =>
  `{ "name": "${name}", "exports": { ".": { "types": "./dist/index.d.ts", "default": "./dist/index.js" } } }`;

describe("the class of a norm is found", () => {
  it.each<[string, string, Record<string, string>]>([
    ["by a written extension of the build", named.replace("MODULE", "./norms.js"), { "app/norms.ts": norms }],
    ["by a type-only import", 'import type { Scaled } from "./norms";', { "app/norms.ts": norms }],
    [
      "through barrels",
      named.replace("MODULE", "./layers"),
      {
        "app/layers/index.ts": 'export * from "./all";',
        "app/layers/all.ts": 'export { Scaled } from "../norms";',
        "app/norms.ts": norms,
      },
    ],
    [
      "as a default export",
      'import Scaled from "./norm";',
      { "app/norm.ts": norms.replace("export class Scaled", "export default class Scaled") },
    ],
    [
      "as a default export that a barrel gives a name",
      named.replace("MODULE", "./layers"),
      {
        "app/layers/index.ts": 'export { default as Scaled } from "../norm";',
        "app/norm.ts": `${norms.replace("export class Scaled", "class Scaled")}\nexport default Scaled;`,
      },
    ],
    [
      "under a name that its own file exports it by",
      'import { PerHead as Scaled } from "./norms";',
      { "app/norms.ts": `${norms}\nexport { Scaled as PerHead };` },
    ],
    [
      "by a paths alias",
      named.replace("MODULE", "@/nn/norms"),
      {
        "tsconfig.json": '{ /* with a comment */ "extends": "./base.json" }',
        "base.json": '{ "compilerOptions": { "paths": { "@/*": ["./app/*"] } } }',
        "app/nn/norms.ts": norms,
      },
    ],
    [
      "by a paths alias of a config that the nearest one refers to",
      named.replace("MODULE", "@/norms"),
      {
        "tsconfig.json": '{ "files": [], "references": [{ "path": "./tsconfig.app.json" }] }',
        "tsconfig.app.json": '{ "compilerOptions": { "composite": true, "paths": { "@/*": ["./app/*"] } } }',
        "app/norms.ts": norms,
      },
    ],
    [
      "by the imports of package.json",
      named.replace("MODULE", "#norms"),
      { "package.json": '{ "name": "a", "imports": { "#norms": "./app/norms.ts" } }', "app/norms.ts": norms },
    ],
    [
      "in a package of the same npm workspace that was never built",
      named.replace("MODULE", "@acme/nn"),
      {
        "package.json": '{ "workspaces": ["packages/*"] }',
        "packages/nn/package.json": layout("@acme/nn"),
        "packages/nn/src/index.ts": 'export * from "./norms.js";',
        "packages/nn/src/norms.ts": norms,
      },
    ],
    [
      "in a folder of a package of the same pnpm workspace",
      named.replace("MODULE", "nn/norms"),
      {
        "pnpm-workspace.yaml": "packages:\n  # models\n  - 'libs/**'\n",
        "libs/core/nn/package.json": layout("nn"),
        "libs/core/nn/src/norms.ts": norms,
      },
    ],
  ])("%s", (_, importLine, files) => {
    expect(plan(importLine, files).findings).toMatchObject([{ kind: "replaced" }]);
  });
});

describe("the class of a norm is not taken for granted", () => {
  it("when a barrel gives another one that name", () => {
    const { findings } = plan(named.replace("MODULE", "./layers"), {
      "app/layers.ts": 'export { OffsetNorm as Scaled } from "./norms";',
      "app/norms.ts": norms,
    });
    expect(findings).toMatchObject([{ reason: "unit-offset-norm" }]);
  });

  it("when an alias leads to another file than the name says", () => {
    const { findings } = plan(named.replace("MODULE", "@/norms"), {
      "tsconfig.json": '{ "compilerOptions": { "paths": { "@/norms": ["./app/centered.ts"] } } }',
      "app/centered.ts": norms.replaceAll("Scaled", "Plain").replaceAll("CenteredNorm", "Scaled"),
      "app/norms.ts": norms,
    });
    expect(findings).toMatchObject([{ reason: "layer-norm" }]);
  });

  it("when the config is broken", () => {
    const { findings } = plan(named.replace("MODULE", "./norms"), {
      "tsconfig.json": "{ broken",
      "package.json": "[",
      "app/norms.ts": norms,
    });
    expect(findings).toMatchObject([{ kind: "replaced" }]);
  });
});
