import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { ModelFolder, onlyQ, step, twice } from "./model-folder.ts";

const models = new ModelFolder();
const explain = (place: string, ...args: readonly string[]) =>
  runCommand(["--explain", join(models.path, place), ...args]);

describe("--explain", () => {
  it("prints what is computed and what was decided", async () => {
    await models.write("a.js", onlyQ);
    expect(await explain("a.js")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /^Attention\.run \(line 2\)\n {2}line 5: norm<self\.qNorm>\(reshape\(.*\nno match \[one-sided\]: line 5, Attention\.run: /s,
      ),
    });
  });

  it.each([
    ["param q", "q = this.qNorm.forward(q);"],
    ["await self.toQ(param x)", "q = this.qNorm.forward(await this.toQ(x));"],
    ["(param x + 1)", "q = this.qNorm.forward(x + 1);"],
    ["choose(param deep, param x, (param x, param q))", "q = this.qNorm.forward(deep ? x : [x, q]);"],
    ["self.parts(param x)[1]", "q = this.qNorm.forward(this.parts(x)[1]);"],
  ])("says in words that a norm is given %s", async (given, line) => {
    await models.write("a.js", `class A {\n  async run(x, q, deep) {\n    ${line}\n    return q;\n  }\n}\n`);
    expect((await explain("a.js")).stdout).toContain(`line 3: norm<self.qNorm>(${given})`);
  });

  it("of one line tells of the function around it only", async () => {
    await models.write("a.js", twice);
    const { stdout } = await explain("a.js:14");
    expect(stdout).toContain("match: line 14, CrossAttention.run");
    expect(stdout).not.toContain("Attention.run (line 2)");
    expect(stdout).not.toContain("match: line 5");
    expect((await explain("a.js:999")).stdout).toBe("No norm of q or k is applied around line 999.\n");
  });

  it("decides what a run decides, by callers in other files too", async () => {
    const method = `export class Attention {
  norms(q, k) {
    q = this.qNorm.forward(q.reshape([-1, 64])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, 64])).reshape(k.shape);
    return [q, k];
  }
  run(x) {
    const [q, k] = this.norms(this.toQ(x), this.toK(x));
    return this.attend(q, k);
  }
}
`;
    await models.write("a.js", method);
    await models.write("b.js", "export const both = (attention, q, k) => attention.norms(q, k);\n");
    models.git("init", "-q");
    const [{ findings }] = (await models.report()).files;
    const { stdout } = await explain("a.js");
    expect(stdout).toContain(`line ${findings[0].line}, ${findings[0].symbol}: ${findings[0].message}`);
  });

  it("says that a program writes the file", async () => {
    await models.write("a.js", `// @generated\n${step}`);
    expect((await explain("a.js")).stdout).toContain("line 1 says that a program writes this file");
  });

  it.each([
    ["nowhere.ts", "cannot be read: there is no such file (ENOENT)"],
    ["folder.ts", "cannot be read: it is a folder (EISDIR)"],
    ["notes.md", "is not a source file (.ts .mts"],
    ["binary.js", "is not read as code: binary"],
  ])("of %s ends with exit code 2 and one sentence", async (name, message) => {
    await models.write("folder.ts/inside.ts", "");
    await models.write("binary.js", "\0");
    expect(await explain(name)).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
  });

  it("needs a profile for the language", async () => {
    await models.write("a.py", "q = 1\n");
    expect((await explain("a.py", "--profile", "qknorm")).stderr).toContain(
      "is in python, which no profile of this run is for: qknorm (typescript, javascript)",
    );
  });
});
