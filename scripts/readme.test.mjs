import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { numbersAreCurrent } from "./numbers.mjs";
import { published } from "./published.mjs";
import { root, setUp } from "./setup.mjs";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "docs/benchmarks.md",
  "docs/command.md",
  "docs/tensor-libraries.md",
];

describe("the documents", () => {
  it("say the numbers that the committed results say", () => {
    expect(numbersAreCurrent()).toBe(true);
  });

  it.each(documents)("%s links only to what is there", (document) => {
    const text = readFileSync(join(root, document), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link]) => link);
    const missing = links.filter((link) => !existsSync(join(root, dirname(document), link)));
    expect(missing).toEqual([]);
  });

  it.each(documents)("%s names only scripts that package.json has", (document) => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const named = [
      ...readFileSync(join(root, document), "utf8").matchAll(/npm run (?:-s |--silent )?([\w:-]+)/g),
    ];
    expect(named.map(([, name]) => name).filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it("know the one version that all packages have", () => {
    const text = (file) => readFileSync(join(root, file), "utf8");
    const platforms = readdirSync(join(root, "native/npm")).map((name) => `native/npm/${name}`);
    const versions = [...published, ...platforms].map(
      (folder) => JSON.parse(text(`${folder}/package.json`)).version,
    );
    const [version] = versions;
    expect(new Set(versions)).toEqual(new Set([version]));
    expect(/^version: (.*)$/m.exec(text("CITATION.cff"))?.[1]).toBe(version);
    expect(/^## (.*)$/m.exec(text("CHANGELOG.md"))?.[1]).toBe(version);
  });

  it("show an example that runs and prints what it says", () => {
    const [, code] = readFileSync(join(root, "README.md"), "utf8").match(/```ts\n([\s\S]*?)```/);
    // Beside the packages, so that their names resolve.
    const folder = mkdtempSync(join(root, "packages/tensor/.readme-"));
    try {
      writeFileSync(join(folder, "example.mts"), code);
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), join(folder, "example.mts")],
        // Where there is no addon, it would say so.
        { encoding: "utf8", env: setUp() === null ? process.env : { ...process.env, QKNORM_NATIVE: "off" } },
      );
      expect(stderr).toBe("");
      const [, printed] = code.match(/\n\/\/ (fused by .*)\n/);
      expect(stdout.replace("cpu-typescript", "cpu-native").trim()).toBe(printed);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
