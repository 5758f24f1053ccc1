import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const place = mkdtempSync(join(tmpdir(), "qknorm-codemod-"));
const models = join(place, "my models");
cpSync(join(root, "examples/model-repo/src"), models, { recursive: true });

afterAll(() => rmSync(place, { recursive: true, force: true }));

/** `npm run --silent codemod -- ...args`, typed in `cwd`. */
function codemod(cwd, ...args) {
  const { status, stdout, stderr } = spawnSync(
    "npm",
    ["run", "--silent", "--prefix", root, "codemod", "--", ...args],
    { cwd, encoding: "utf8", shell: process.platform === "win32" },
  );
  return { status, stdout, stderr };
}

describe("npm run --silent codemod", () => {
  it("passes arguments through, with paths as seen from where it was typed", () => {
    const { status, stdout } = codemod(place, "--json", "--include", "qwen3*.ts", "my models");
    expect(status).toBe(0);
    expect(JSON.parse(stdout).files.map(({ path }) => path)).toEqual([
      "my models/models/qwen3-moe.ts",
      "my models/models/qwen3.ts",
    ]);
  });

  it("passes the exit code and both streams through", () => {
    expect(codemod(models, "--check", ".").status).toBe(1);
    expect(codemod(models, "--strict", "models/olmo2.ts").status).toBe(3);
    expect(codemod(models, "nowhere")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringContaining("qknorm-codemod: there is no file or folder at nowhere\n"),
    });
  });

  it("passes standard input through", () => {
    const source = readFileSync(join(models, "models/apertus.ts"), "utf8");
    const { stdout } = spawnSync(
      process.execPath,
      [join(root, "scripts/codemod.mjs"), "--stdin", "--stdin-filename", "models/apertus.ts"],
      { cwd: models, input: source, encoding: "utf8", env: { ...process.env, INIT_CWD: models } },
    );
    expect(stdout).toContain("= applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim);");
  });
});
