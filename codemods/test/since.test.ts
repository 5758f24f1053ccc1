import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { ModelFolder, step } from "./model-folder.ts";

const models = new ModelFolder();

const pathsSince = async (revision: string, ...paths: readonly string[]) => {
  const roots = paths.length === 0 ? [models.path] : paths.map((path) => join(models.path, path));
  const { stdout } = await runCommand(["--json", "--since", revision, ...roots]);
  const { files } = JSON.parse(stdout) as { files: { path: string }[] };
  return files.map(({ path }) => path.slice(models.path.length + 1));
};

describe("--since", () => {
  it("takes files that were changed, staged, renamed or are new, and no others", async () => {
    for (const name of ["same.js", "changed.js", "staged.js", "old.js", "deleted.js"])
      await models.write(name, step);
    models.commitAll();
    await models.write("changed.js", `${step}\n`);
    await models.write("staged.js", `${step}\n`);
    models.git("add", "staged.js");
    models.git("mv", "old.js", "renamed.js");
    models.git("rm", "-q", "deleted.js");
    await models.write("größe new.js", step);
    expect(await pathsSince("HEAD")).toEqual(["changed.js", "größe new.js", "renamed.js", "staged.js"]);
  });

  it("takes a branch, a tag or an older commit", async () => {
    await models.write("a.js", step);
    models.commitAll();
    models.git("tag", "first");
    await models.write("b.js", step);
    models.commitAll();
    expect(await pathsSince("first")).toEqual(["b.js"]);
    expect(await pathsSince("HEAD~1")).toEqual(["b.js"]);
    expect(await pathsSince("HEAD")).toEqual([]);
  });

  it("asks each repository that a path lies in", async () => {
    for (const name of ["one", "two"]) {
      await models.write(`${name}/a.js`, step);
      models.git("init", "-q", name);
      models.git("-C", name, "add", "-A");
      models.git("-C", name, "commit", "-qm", "a");
      await models.write(`${name}/b.js`, step);
    }
    expect(await pathsSince("HEAD", "one", "two")).toEqual(["one/b.js", "two/b.js"]);
  });

  it.each([
    ["a revision that is not there", "nowhere", "git knows no revision `nowhere`"],
    ["what looks like a flag", "--output=a.js", "git knows no revision `--output=a.js`"],
  ])("refuses %s", async (_, revision, message) => {
    await models.write("a.js", step);
    models.commitAll();
    expect(await models.run([`--since=${revision}`])).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: `qknorm-codemod: ${message}\n`,
    });
    expect(await models.read("a.js")).toBe(step);
  });

  it("needs a repository", async () => {
    await models.write("a.js", step);
    expect((await models.run(["--since", "HEAD"])).stderr).toContain("--since needs a git repository around");
  });
});
