import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();

/** What has made line ends, marks and names go wrong in patches before. */
const shapes: Readonly<Record<string, string>> = {
  "plain.js": step,
  "crlf.js": step.replaceAll("\n", "\r\n"),
  "no final newline.js": step.trimEnd(),
  "crlf, no final newline.js": step.replaceAll("\n", "\r\n").trimEnd(),
  "mark.js": `\uFEFF${step}`,
  "mark and crlf.js": `\uFEFF${step.replaceAll("\n", "\r\n")}`,
  "cr.js": step.replaceAll("\n", "\r"),
  "größe 模型.js": step,
  'quote " and \\ back.js': step,
  "new\nline.js": step,
  "deep/er/tabs.js": step.replaceAll("  ", "\t"),
  "trailing.js": step.replace("this.attend(q, k);", "this.attend(q, k);   "),
};

async function writeShapes(): Promise<void> {
  for (const [name, text] of Object.entries(shapes)) await models.write(name, text);
}

async function readShapes(): Promise<Record<string, string>> {
  const names = Object.keys(shapes);
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await models.read(name)])));
}

/** Runs the command that the report gives for taking it back. */
function undo(stdout: string): void {
  const command = /To take it back:\n {2}(.*)\n/.exec(stdout)?.[1];
  execFileSync("sh", ["-c", command!], { stdio: "pipe" });
}

describe("the undo patch", () => {
  it("restores every byte, whatever the line ends and the names", async () => {
    await writeShapes();
    models.commitAll();
    const { stdout, exitCode } = await models.run(["--write"]);
    expect(exitCode).toBe(0);
    const changed = await readShapes();
    for (const name of Object.keys(shapes)) expect(changed[name], name).toContain("applyQkNorm(");
    undo(stdout);
    expect(await readShapes()).toEqual(shapes);
    expect(models.git("status", "--porcelain")).toBe("");
  });

  it("does so outside of a repository too", async () => {
    await writeShapes();
    undo((await models.run(["--write"])).stdout);
    expect(await readShapes()).toEqual(shapes);
  });

  it("does not make the tree dirty, so that the next run is not refused for it", async () => {
    await models.write("a.js", step);
    models.commitAll();
    await models.run(["--write"]);
    models.git("commit", "-qam", "replaced");
    expect(models.git("status", "--porcelain")).toBe("");
    expect(await models.run(["--write"])).toMatchObject({ exitCode: 0 });
  });

  it("is not left where nothing was written", async () => {
    await models.write("a.js", onlyQ);
    expect((await models.run(["--write"])).stdout).toContain("Nothing was written");
    expect(await models.names()).toEqual(["a.js"]);
  });

  it("must be kept before anything is written", async () => {
    await models.write("a.js", step);
    await models.write(".qknorm-codemod", "a file where the folder should be");
    expect(await models.run(["--write"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/no undo patch can be kept in .*nothing was written/),
    });
    expect(await models.read("a.js")).toBe(step);
  });
});

describe("the patch of --diff and --patch", () => {
  it("does what --write does, whatever the line ends and the names", async () => {
    await writeShapes();
    models.commitAll();
    const { stdout } = await models.run(["--diff"]);
    const file = join(models.path, "changes.patch");
    await models.run(["--patch", file]);
    expect(await readFile(file, "utf8")).toBe(stdout);
    models.git("apply", "--whitespace=nowarn", "changes.patch");
    const applied = await readShapes();
    models.git("checkout", "-q", ".");
    await models.run(["--write", "--allow-dirty"]);
    expect(applied).toEqual(await readShapes());
  });

  it("stops everything when it cannot be written", async () => {
    await models.write("a.js", step);
    expect(await models.run(["--write", "--patch", join(models.path, "no/such/folder.patch")])).toMatchObject(
      {
        exitCode: 2,
        stderr: expect.stringContaining("cannot be written: there is no such file (ENOENT)"),
      },
    );
    expect(await models.read("a.js")).toBe(step);
  });
});
