import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { chmod, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { qknormProfile } from "../src/profiles/profile.ts";
import { run } from "../src/run/run.ts";
import { ModelFolder, step } from "./model-folder.ts";

const models = new ModelFolder();
const at = (...names: readonly string[]) => join(models.path, ...names);

/** A run in which `accepts` and `enters` can do what another program might do meanwhile. */
const runWith = (filter: { enters?: (path: string) => boolean; accepts?: (path: string) => boolean }) =>
  run({
    paths: [models.path],
    profiles: [qknormProfile],
    prefilter: true,
    assumeHelper: false,
    filter: { enters: () => true, accepts: () => true, ...filter },
  });

describe("a path that was named", () => {
  it.each([
    ["is not there", "nowhere", "there is no file or folder at"],
    ["is not there, under a file", "a.js/b.js", "a part of the path is not a folder (ENOTDIR)"],
    ["is no source file", "notes.txt", "is not a source file (.ts .mts"],
    ["is a link to itself", "loop.js", "its links lead back to itself (ELOOP)"],
    ["is a link to nothing", "dangling.js", "there is no file or folder at"],
    ["has a name that is too long", `${"x".repeat(300)}.js`, "the name is too long (ENAMETOOLONG)"],
    ["is a pipe", "pipe.js", "is not a source file"],
  ])("%s: exit code 2 and one sentence", async (_, name, message) => {
    await models.write("a.js", step);
    await models.write("notes.txt", "");
    await symlink("loop.js", at("loop.js"));
    await symlink("gone.js", at("dangling.js"));
    execFileSync("mkfifo", [at("pipe.js")]);
    expect(await runCommand(["--write", at("a.js"), at(name)])).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringMatching(/^qknorm-codemod: .*\n$/),
    });
    expect((await runCommand([at(name)])).stderr).toContain(message);
    expect(await models.read("a.js")).toBe(step);
  });
});

describe("what lies in a folder", () => {
  it("may be folders named like files, links that loop, and names of every kind", async () => {
    const names = [
      "a b.js",
      "größe 模型.ts",
      "new\nline.js",
      "-dash.js",
      "dir.js/inside.mjs",
      "quote'.jsx",
      "%41.cts",
    ];
    for (const name of names) await models.write(name, step);
    await symlink(models.path, at("again"));
    await symlink("x.js", at("x.js"));
    await symlink("a b.js", at("linked.js"));
    execFileSync("mkfifo", [at("pipe.js")]);
    const { files, summary, exitCode } = await models.report("--write");
    expect(files.map(({ path }: { path: string }) => path)).toEqual(names.map((name) => at(name)).sort());
    expect([summary, exitCode]).toMatchObject([{ replaced: names.length, errors: 0 }, 0]);
    for (const name of names) expect(await models.read(name)).toContain("= applyQkNorm(");
  });

  it("may be empty, or nothing but a mark or white space", async () => {
    for (const [index, text] of ["", "\uFEFF", "\n\n", "  "].entries())
      await models.write(`${index}.js`, text);
    await models.write("empty.py", "");
    expect(await models.run(["--write", "--no-prefilter"])).toMatchObject({
      exitCode: 0,
      stdout: "No copy of the QK-norm step found, 5 files looked at.\n",
    });
  });

  it("is one file after the other: a syntax error is reported and the rest is done", async () => {
    await models.write("a.js", `${step}}`);
    await models.write("b.js", step);
    await models.write("c.py", "def f(:\n    q = q_norm(q)\n");
    const { files, exitCode } = await models.report("--write");
    expect(exitCode).toBe(0);
    expect(files).toMatchObject([
      { findings: [{ kind: "refused", reason: "parse-error", line: 10 }] },
      { findings: [{ kind: "replaced" }] },
      { findings: [{ kind: "refused", reason: "parse-error", line: 1 }] },
    ]);
    expect(await models.read("a.js")).toBe(`${step}}`);
  });

  it("may go away while the run goes on", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    await models.write("gone/c.js", step);
    const { errors, files } = await runWith({
      accepts: (path) => {
        if (path.endsWith("a.js")) rmSync(path);
        return true;
      },
      enters: (path) => {
        rmSync(path, { recursive: true });
        return true;
      },
    });
    expect(errors).toEqual([
      { path: at("gone"), message: "there is no such file (ENOENT)" },
      { path: at("a.js"), message: "there is no such file (ENOENT)" },
    ]);
    expect(files).toHaveLength(1);
  });

  it.skipIf(process.getuid?.() === 0)("may be unreadable: an error, and the rest is done", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    await mkdir(at("closed"));
    await chmod(at("a.js"), 0);
    await chmod(at("closed"), 0);
    expect(await models.run(["--write"])).toMatchObject({
      exitCode: 2,
      stdout: expect.stringMatching(/a\.js: permission denied \(EACCES\)[\s\S]*1 copy replaced/),
    });
    await chmod(at("closed"), 0o755);
  });

  it("may be 10 MB on one line, which is skipped at once", async () => {
    await models.write("a.js", `q=this.qNorm.forward(q);${"a=[1,2,3];".repeat(1_000_000)}`);
    await models.write("b.js", `q=this.qNorm.forward(q);${"a=[1,2,3];".repeat(20_000)}`);
    await models.write("c.js", step);
    const started = performance.now();
    const { stdout, exitCode } = await models.run([]);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("a.js: larger than 4 MB");
    expect(stdout).toContain("b.js: a line of more than 100,000 characters");
    expect(stdout).toContain("1 copy can be replaced");
  });
});

describe("what a source says", () => {
  it("may be a bundle, which is skipped with a word unless it is asked for", async () => {
    const bundle = step + "const more = 1;\n".repeat(40_000);
    await models.write("dist/all.js", bundle);
    await models.write("src/large.js", bundle);
    const { stdout, stderr } = await models.run(["--json"]);
    expect(stderr).toBe(
      `qknorm-codemod: ${at("dist/all.js")}: skipped: a bundle: more than 500,000 characters in dist/\n`,
    );
    expect(JSON.parse(stdout)).toMatchObject({
      files: [{ path: at("src/large.js") }],
      summary: { replaced: 1, files: 1 },
    });
    for (const asked of [[at("dist/all.js")], ["--no-prefilter", models.path]])
      expect((await runCommand(["--json", ...asked])).stdout).toContain(at("dist/all.js"));
  });

  it("may be one that no parser was made for, among many: it is read in its time, and the others are done", async () => {
    const deep = 20_000;
    await models.write(
      "deep.py",
      `def f(q, q_norm):\n    return q_norm(${"(\n".repeat(deep)}q${")\n".repeat(deep)})\n`,
    );
    const nested = Array.from({ length: 900 }, (_, i) => `${" ".repeat(i + 1)}if q_norm_${i}(q):\n`);
    await models.write(
      "nested.py",
      `def f(self, q, k):\n${nested.join("")}${" ".repeat(901)}q = self.q_norm(q)\n`,
    );
    for (let i = 0; i < 100; i++) await models.write(`models/${i}.js`, i % 10 === 0 ? step : "export {};\n");
    const { files, summary } = await models.report();
    expect(summary).toMatchObject({ replaced: 10, errors: 0, files: 102 });
    expect(files.filter(({ path }: { path: string }) => path.endsWith("nested.py"))).toHaveLength(1);
  }, 60_000);

  it("cannot steer the terminal that it is shown on", async () => {
    await models.write("a.js", step.replace("let q", "/* \u001B[2J\u0007 */ let q"));
    const { stdout } = await models.run([]);
    expect(stdout).toContain("\\x1b[2J\\x07");
    expect(stdout).not.toContain("\u001B");
  });
});

describe("a crash of the tool itself", () => {
  it("ends with exit code 2, not with that of --check, and says where", async () => {
    await models.write("a.js", step);
    const crashed = await models.run(["--interactive"], {
      ask: () => {
        throw new TypeError("unforeseen");
      },
    });
    expect(crashed).toMatchObject({ exitCode: 2, stdout: "" });
    expect(crashed.stderr).toMatch(
      /^qknorm-codemod: this is a bug in the tool, please report it: TypeError: unforeseen\n {4}at /,
    );
    expect(await models.read("a.js")).toBe(step);
  });
});
