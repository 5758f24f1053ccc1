import { execSync } from "node:child_process";
import { chmod, link, lstat, mkdir, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { ModelFolder, step } from "../../test/model-folder.ts";
import { runCommand } from "../command/command.ts";
import { qknormProfile } from "../profiles/profile.ts";
import { run } from "../run/run.ts";
import { reversePatchOf } from "./patch.ts";
import { writeFiles } from "./write-files.ts";

const replacing = vi.hoisted(() => ({ fails: false }));
/** Bytes that a full disk still has for the undo patch. */
const room = vi.hoisted(() => ({ bytes: Number.POSITIVE_INFINITY }));

vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof import("node:fs/promises")>();
  const rename: typeof fs.rename = async (from, to) => {
    if (!replacing.fails) return await fs.rename(from, to);
    throw Object.assign(new Error("ENOSPC: no space left on device, rename"), { code: "ENOSPC" });
  };
  const appendFile: typeof fs.appendFile = async (path, data, options) => {
    const bytes = Buffer.from(data as string | Buffer);
    const fitting = bytes.subarray(0, room.bytes);
    await fs.appendFile(path, fitting, options);
    room.bytes -= fitting.length;
    if (fitting.length < bytes.length)
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  return { ...fs, rename, appendFile };
});

const models = new ModelFolder();

const plan = () =>
  run({ paths: [models.path], profiles: [qknormProfile], prefilter: true, assumeHelper: false });

describe("writing a file", () => {
  it("goes through a link that was named, and leaves it a link", async () => {
    await models.write("real/a.js", step);
    await mkdir(join(models.path, "links"));
    const link = join(models.path, "links/a.js");
    await symlink("../real/a.js", link);
    expect((await runCommand(["--write", link])).exitCode).toBe(0);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await models.read("real/a.js")).toContain("applyQkNorm(");
  });

  it("keeps its mode, and leaves nothing beside it", async () => {
    await models.write("a.js", step);
    await chmod(join(models.path, "a.js"), 0o755);
    await models.run(["--write"]);
    expect((await stat(join(models.path, "a.js"))).mode & 0o777).toBe(0o755);
    expect(await models.names()).toEqual([".qknorm-codemod", "a.js"]);
  });

  it("parts hard links, whose other names keep the old text, and says so in every format", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    const other = join(models.path, "store.txt");
    await link(join(models.path, "a.js"), other);
    const told = /a\.js: the file had another name \(a hard link\), which still has the old text/;
    expect((await models.run(["--write"])).stdout).toMatch(told);
    expect(await models.read("store.txt")).toBe(step);
    expect(await models.read("a.js")).toContain("applyQkNorm(");
    await rm(join(models.path, "a.js"));
    await link(other, join(models.path, "a.js"));
    const { stderr, exitCode } = await models.run(["--write", "--json"]);
    expect(stderr).toMatch(told);
    expect(exitCode).toBe(0);
    expect((await models.run(["--write"])).stdout).not.toMatch(told);
  });

  it("leaves a file alone that changed meanwhile, and goes on with the others", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    await models.write("c.js", step);
    const planned = await plan();
    await models.write("a.js", `${step}// edited\n`);
    await models.write("b.js", "");
    const { errors, files, undo } = await writeFiles(planned);
    expect(errors.map(({ message }) => message)).toEqual(
      Array(2).fill("it changed while the run went on, and was left alone"),
    );
    expect(files.map(({ path }) => path)).toEqual([join(models.path, "c.js")]);
    expect(await models.read("a.js")).toBe(`${step}// edited\n`);
    expect(await models.read("c.js")).toContain("applyQkNorm(");
    expect(undo).toContain("git");
  });

  it("leaves no half-written file beside one that cannot be replaced", async () => {
    await models.write("a.js", step);
    const planned = await plan();
    replacing.fails = true;
    const { errors } = await writeFiles(planned).finally(() => {
      replacing.fails = false;
    });
    expect(errors.map(({ message }) => message)).toEqual(["the disk is full (ENOSPC)"]);
    expect(await models.read("a.js")).toBe(step);
    expect((await models.names()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("writes no file whose old text a full disk cannot keep, and takes back those that it wrote", async () => {
    for (const name of ["a.js", "b.js", "c.js"]) await models.write(name, step);
    const planned = await plan();
    const oneAndAHalf = 1.5 * Buffer.byteLength(reversePatchOf(planned.files[0]!, models.path));
    room.bytes = Math.ceil(oneAndAHalf);
    const { errors, undo } = await writeFiles(planned).finally(() => {
      room.bytes = Number.POSITIVE_INFINITY;
    });
    expect(errors.map(({ message }) => message)).toEqual(Array(2).fill("the disk is full (ENOSPC)"));
    expect(await models.read("a.js")).toContain("applyQkNorm(");
    expect([await models.read("b.js"), await models.read("c.js")]).toEqual([step, step]);
    expect((await models.names()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    execSync(undo!);
    expect(await models.read("a.js")).toBe(step);
  });

  it("goes on where a run was cut off", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    const planned = await plan();
    await writeFiles({ ...planned, files: planned.files.slice(0, 1) });
    expect(await models.report("--write")).toMatchObject({ summary: { replaced: 1 } });
    expect(await models.report("--check")).toMatchObject({ summary: { replaced: 0 }, exitCode: 0 });
    expect(await readdir(join(models.path, ".qknorm-codemod"))).toHaveLength(3); // two patches and .gitignore
  });

  it.each(["SIGINT", "SIGTERM"])("stops after the file at hand at %s", async (signal) => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    const planned = await plan();
    const writing = writeFiles(planned);
    setTimeout(() => process.emit(signal as "SIGINT"), 0);
    const { errors, files } = await writing;
    const written = files.filter(({ after }) => after !== undefined).length;
    expect(errors).toHaveLength(2 - written);
    for (const { message } of errors) expect(message).toContain("run again to go on");
    for (const name of ["a.js", "b.js"])
      expect([step, planned.files[0]!.after]).toContain(await models.read(name));
  });
});

describe("what was not written", () => {
  it("is not told as replaced, in words or in JSON", async () => {
    const python = `class RMSNorm:
    def __init__(self, dim, eps=1e-6):
        self.weight = dim
        self.variance_epsilon = eps

    def forward(self, x):
        return x * rsqrt(x.pow(2).mean(-1) + self.variance_epsilon) * self.weight


class Attention:
    def __init__(self, head_dim):
        self.head_dim = head_dim
        self.q_norm = RMSNorm(head_dim)
        self.k_norm = RMSNorm(head_dim)

    def forward(self, q, k):
        q = self.q_norm(q.view(-1, self.head_dim)).view(q.shape)
        k = self.k_norm(k.view(-1, self.head_dim)).view(k.shape)
        return q, k
`;
    await models.write("a.py", python);
    const { stdout, exitCode } = await models.run(["--write"]);
    expect(exitCode).toBe(2);
    expect(stdout).toMatch(
      /^error .*the helper apply_qk_norm.*\n\nNothing was replaced, 1 file looked at, 1 error\.\n$/,
    );
    expect(await models.report("--write")).toMatchObject({ summary: { replaced: 0, errors: 1 }, files: [] });
    expect(await models.report()).toMatchObject({ summary: { replaced: 1, errors: 1 } });
  });
});

describe("a dirty git tree", () => {
  it("is refused before anything else, a bad configuration included", async () => {
    await models.write("a.js", step);
    models.git("init", "-q");
    await writeFile(join(models.path, "qknorm-codemod.json"), "{");
    expect(await models.run(["--write"])).toMatchObject({
      exitCode: 2,
      stderr:
        "qknorm-codemod: git shows 2 changed or untracked files; commit or stash them, or pass --allow-dirty\n",
    });
  });

  it("is refused for an interactive run too", async () => {
    await models.write("a.js", step);
    models.git("init", "-q");
    expect(await models.run(["--interactive"], { input: "y\n" })).toMatchObject({ exitCode: 2, asked: "" });
  });

  it("cannot be told from a clean one when git does not answer, and counts as dirty", async () => {
    await models.write("a.js", step);
    await models.write(".git", "gitdir: nowhere\n");
    expect(await models.run(["--write"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("git does not answer for the repository"),
    });
    expect(await models.read("a.js")).toBe(step);
    expect(await models.run(["--write", "--allow-dirty"])).toMatchObject({ exitCode: 0 });
  });
});
