import { execFileSync } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();
const report = (...args: string[]) => models.report(...args);

describe("qknorm-codemod", () => {
  it("shows what it would do, and writes nothing", async () => {
    await models.write("a.js", step);
    const { stdout, exitCode } = await models.run([]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`${models.path}/a.js:5  Attention.run\n    qNorm and kNorm become one call`);
    expect(stdout).toContain("+    [q, k] = applyQkNorm(");
    expect(stdout).toContain("1 copy can be replaced, 0 kept, 1 file looked at.\nNothing was written.");
    expect(await models.read("a.js")).toBe(step);
  });

  it("writes with --write, keeps a byte order mark, and has nothing to do a second time", async () => {
    await models.write("a.js", `\uFEFF${step}`);
    expect((await models.run(["--write"])).stdout).toContain("1 copy replaced, 0 kept");
    const once = await models.read("a.js");
    expect(once).toMatch(/^\uFEFFimport \{ applyQkNorm \}/);
    expect(await report("--write")).toMatchObject({ summary: { replaced: 0, refused: 0, errors: 0 } });
    expect(await models.read("a.js")).toBe(once);
  });

  it("prints a versioned object under --json", async () => {
    await models.write("a.js", step);
    await models.write("b.js", onlyQ);
    expect(await report()).toMatchObject({
      version: 1,
      summary: { files: 2, candidates: 3, replaced: 1, refused: 1, errors: 0, ms: expect.any(Number) },
      files: [
        {
          path: `${models.path}/a.js`,
          language: "javascript",
          findings: [{ line: 5, endLine: 6, kind: "replaced", symbol: "Attention.run" }],
        },
        { path: `${models.path}/b.js`, findings: [{ line: 5, kind: "refused", reason: "one-sided" }] },
      ],
    });
  });

  it("ends with 1 under --check when something would change, with 3 under --strict when copies were refused", async () => {
    await models.write("a.js", onlyQ);
    expect(await report("--check")).toMatchObject({ exitCode: 0 });
    expect(await report("--strict")).toMatchObject({ exitCode: 3 });
    await models.write("a.js", step);
    expect(await report("--check")).toMatchObject({ exitCode: 1 });
    expect(await report("--strict")).toMatchObject({ exitCode: 0 });
  });

  it("asks for --allow-dirty in a dirty git tree, before anything else", async () => {
    await models.write("a.js", step);
    models.git("init", "-q");
    expect(await models.run(["--write"])).toMatchObject({
      exitCode: 2,
      stderr:
        "qknorm-codemod: git shows 1 changed or untracked file; commit or stash them, or pass --allow-dirty\n",
    });
    models.git("add", ".");
    models.git("commit", "-qm", "a");
    expect(await models.run(["--write"])).toMatchObject({ exitCode: 0 });
  });

  it("leaves out what git ignores, what --exclude says, and what did not change --since", async () => {
    await models.write("a.js", step);
    await models.write("out/b.js", step);
    await models.write(".gitignore", "out/\n");
    models.git("init", "-q");
    models.git("add", ".");
    models.git("commit", "-qm", "a");
    await models.write("c.js", step);
    const paths = async (...args: string[]) =>
      (await report(...args)).files.map(({ path }: { path: string }) => path.slice(models.path.length + 1));
    expect(await paths()).toEqual(["a.js", "c.js"]);
    expect(await paths("--exclude", "c.*")).toEqual(["a.js"]);
    expect(await paths("--include", "c.*")).toEqual(["c.js"]);
    expect(await paths("--since", "HEAD")).toEqual(["c.js"]);
  });

  it("keeps copies in generated files, and says which line marks them", async () => {
    await models.write("a.js", `/* made by a tool\n   @generated */\n${step}`);
    await models.write("b.js", "// @generated\nexport {};\n");
    expect(await report("--write")).toMatchObject({
      summary: { files: 2, replaced: 0, refused: 1 },
      files: [
        {
          path: `${models.path}/a.js`,
          findings: [
            { line: 7, endLine: 8, reason: "generated-file", message: expect.stringContaining("line 2") },
          ],
        },
      ],
    });
  });

  it("keeps copies in files that .gitattributes says a program writes", async () => {
    await models.write("made/a.js", step);
    await models.write("made/by-hand/b.js", step);
    await models.write(
      ".gitattributes",
      "made/** linguist-generated=true\nmade/by-hand/** -linguist-generated\n",
    );
    models.commitAll();
    expect(await report()).toMatchObject({
      summary: { replaced: 1, refused: 1 },
      files: [
        {
          path: `${models.path}/made/a.js`,
          findings: [{ reason: "generated-file", message: expect.stringContaining(".gitattributes says") }],
        },
        { path: `${models.path}/made/by-hand/b.js`, findings: [{ kind: "replaced" }] },
      ],
    });
  });

  it("lists files that cannot be read as code, and does not follow links", async () => {
    await models.write("b.js", `\0${step}`);
    await writeFile(join(models.path, "c.js"), Buffer.concat([Buffer.from(step), Buffer.from([0xff, 0xfe])]));
    await models.write("d.js", `${step}//${" ".repeat(4_000_000)}`);
    await symlink(models.path, join(models.path, "loop"));
    expect(await models.run(["--json"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('"files": 0'),
      stderr: [
        `qknorm-codemod: ${models.path}/b.js: skipped: binary\n`,
        `qknorm-codemod: ${models.path}/c.js: skipped: not UTF-8\n`,
        `qknorm-codemod: ${models.path}/d.js: skipped: larger than 4 MB\n`,
      ].join(""),
    });
  });

  it("explains what it saw in a file", async () => {
    await models.write("a.js", step);
    const { stdout } = await runCommand(["--explain", `${models.path}/a.js:5`]);
    expect(stdout).toContain("line 5: norm<self.qNorm>(reshape(self.qProj(param x), (-1, self.headDim)))");
    expect(stdout).toContain("match: line 5, Attention.run");
  });

  it("finds the same without the prefilter", async () => {
    const example = fileURLToPath(new URL("../../examples/model-repo/src", import.meta.url));
    await cp(example, join(models.path, "src"), { recursive: true });
    const [fast, slow] = [await report(), await report("--no-prefilter")];
    expect(slow.files).toEqual(fast.files);
    expect(fast.summary.replaced).toBeGreaterThan(0);
  });

  it("prints its version and its help", async () => {
    expect((await runCommand(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await runCommand(["-h"])).stdout).toContain("qknorm-codemod [paths]");
  });
});

describe("the example model repo", () => {
  it("has five copies replaced and three kept, as its README says", async () => {
    const path = fileURLToPath(new URL("../../examples/model-repo", import.meta.url));
    const { stdout } = await runCommand(["--json", path]);
    const findings = JSON.parse(stdout).files.flatMap(
      ({ path: file, findings: own }: { path: string; findings: { kind: string; reason?: string }[] }) =>
        own.map(({ kind, reason }) => `${file.replace(/.*\//, "")}: ${reason ?? kind}`),
    );
    expect(findings).toEqual([
      "apertus.ts: replaced",
      "bailing.ts: replaced",
      "gemma3.ts: unit-offset-norm",
      "glm4-moe.ts: replaced",
      "hunyuan.ts: aliased-input",
      "olmo2.ts: norm-not-per-head",
      "qwen3-moe.ts: replaced",
      "qwen3.ts: replaced",
    ]);
  });

  it("computes the same bits after --write, and its types still check", async () => {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    const copy = await mkdtemp(join(root, "examples", ".codemod-"));
    try {
      await cp(join(root, "examples/model-repo"), copy, { recursive: true });
      expect((await runCommand([copy, "--write", "--allow-dirty"])).exitCode).toBe(0);
      const changed = await readdir(join(copy, "src/models"));
      const texts = await Promise.all(
        changed.map((name) => readFile(join(copy, "src/models", name), "utf8")),
      );
      expect(texts.filter((text) => text.includes("applyQkNorm("))).toHaveLength(7);
      const node = (...args: string[]) =>
        execFileSync(process.execPath, args, { cwd: copy, encoding: "utf8", stdio: "pipe" });
      const bin = (name: string) => join(root, "node_modules", name);
      const outputs = node(bin("tsx/dist/cli.mjs"), "--conditions=@qknorm/source", "src/main.ts", "--pins");
      expect(JSON.parse(outputs)).toEqual(
        JSON.parse(await readFile(join(copy, "test/outputs.json"), "utf8")),
      );
      node(bin("typescript-7/bin/tsc"), "-p", "tsconfig.json");
    } finally {
      await rm(copy, { recursive: true });
    }
  });
});

describe("bad input ends with exit code 2 and one sentence", () => {
  it.each([
    [["nowhere"], "there is no file or folder at nowhere"],
    [["--fast"], "Unknown option '--fast'; see --help"],
    [["--profile", "x", "."], "there is no profile `x`; known are qknorm, sglang"],
    [["--write", "--check", "."], "--check and --write exclude each other: a check writes nothing"],
  ])("%j", async (argv, message) => {
    expect(await runCommand(argv)).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: `qknorm-codemod: ${message}\n`,
    });
  });

  it("for a helper that is not in the repository, unless it may be assumed", async () => {
    const cls = `class RMSNorm:
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
    await models.write("a.py", cls);
    const refused = await models.run(["--write"]);
    expect(refused.exitCode).toBe(2);
    expect(refused.stdout).toContain(
      "error  ".concat(
        `${models.path}/a.py: the helper apply_qk_norm of profile sglang is not in sglang.srt.models.utils`,
      ),
    );
    expect(await models.read("a.py")).toBe(cls);
    expect((await models.run(["--write", "--assume-helper"])).exitCode).toBe(0);
    expect(await models.read("a.py")).toContain("q, k = apply_qk_norm(");
  });
});
