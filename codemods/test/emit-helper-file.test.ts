import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { contentsOf, emit, makeTrees, model, norms, reasonsOf, rows } from "./emit-trees.ts";
import { outputsOf, python, pythonFixtures } from "./python-run.ts";

const { folder, tree } = makeTrees();

describe("the file named by --emit-helper", () => {
  test("imports inside the helper what loads it in turn, in Python", async () => {
    const path = join(folder, "circle");
    cpSync(join(pythonFixtures, "replace/before"), path, { recursive: true });
    const platform = join(path, "engine/layers/platform.py");
    writeFileSync(join(path, "engine/layers/shared.py"), "LIMIT = 1\n");
    writeFileSync(platform, `from engine.layers.shared import LIMIT\n${readFileSync(platform, "utf8")}`);
    await emit(path, "engine/layers/shared.py", "--write");
    expect(contentsOf(path)["engine/layers/shared.py"]).toMatch(
      /^from typing import Tuple\n\nimport torch\n\nLIMIT = 1\n[\s\S]* {4}from engine.layers.platform import is_capturing\n\n {4}if alt_stream/,
    );
    if (python !== undefined)
      expect(outputsOf(path)).toEqual(outputsOf(join(pythonFixtures, "replace/before")));
  });

  test("is used as it is when it holds the helper already", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows) });
    await emit(path, "qk.js", "--write");
    const { "qk.js": helper } = contentsOf(path);
    writeFileSync(`${path}/b.js`, model(rows));
    expect(await reasonsOf(path, "qk.js")).toEqual({ "b.js": ["replaced"] });
    await emit(path, "qk.js", "--write");
    expect(contentsOf(path)["qk.js"]).toBe(helper);
    expect(contentsOf(path)["b.js"]).toContain('import { applyQkNorm } from "./qk.js";');
  });

  test("says of which language it is where no copy is of that", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows) });
    const { stdout } = await runCommand([path, "--emit-helper", `${path}/qk.py`]);
    expect(stdout).toMatch(
      /No copy of the QK-norm step found.*\nOnly python was searched: the helper's file/,
    );
  });

  test("is no place for a copy that does more than its helper", async () => {
    const path = tree({
      "norms.js": norms,
      "qk.js":
        "export function applyQkNorm(q, k, qNorm, kNorm) {\n  return [qNorm.forward(q), kNorm.forward(k)];\n}\n",
      "a.js": model(rows),
      "b.js": model("this.qNorm.forward(q.reshape([2, 3, this.headDim]))"),
    });
    expect(await reasonsOf(path, "qk.js")).toEqual({ "a.js": ["helper-mismatch"], "b.js": ["replaced"] });
  });

  test("may hold a copy itself, and then imports nothing from itself", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows) });
    await emit(path, "a.js", "--write");
    const { "a.js": text } = contentsOf(path);
    expect(text).toMatch(/^import \{ RmsNorm \} from ".\/norms.js";\nexport class/);
    expect(text).toContain("[q, k] = applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim);");
    expect(text).toMatch(/\}\n\n\/\*\* .* \*\/\nexport function applyQkNorm\(/);
  });

  test.each([
    [
      "something else has the helper's name",
      "export const applyQkNorm = 1;\n",
      "something else called applyQkNorm",
    ],
    [
      "another function has the helper's name",
      "export function applyQkNorm(q, k, qNorm, kNorm) {\n  return [kNorm.forward(q), qNorm.forward(k)];\n}\n",
      "something else called applyQkNorm",
    ],
    ["it does not parse", "export function (\n", "does not parse"],
    ["a program writes it", "// @generated\n", "a program writes it"],
  ])("is refused when %s", async (_, text, message) => {
    const path = tree({ "norms.js": norms, "a.js": model(rows), "qk.js": text });
    const before = contentsOf(path);
    const { exitCode, stderr } = await emit(path, "qk.js", "--write");
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
    expect(contentsOf(path)).toEqual(before);
  });

  test.each([
    ["qk.txt", "has to be a source file"],
    ["lib", "has to be a source file"],
    ["lib.js", "is no file"],
  ])("is refused when it is no source file: %s", async (helper, message) => {
    const path = tree({ "norms.js": norms, "a.js": model(rows), "lib.js/x.js": "" });
    expect(await emit(path, helper, "--write")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(message),
    });
  });

  test("is written first: when that fails, nothing else is written", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows), file: "" });
    const before = contentsOf(path);
    expect((await emit(path, "file/qk.js", "--write")).exitCode).toBe(2);
    expect(contentsOf(path)).toEqual(before);
  });

  test("is not written when no copy calls it", async () => {
    const path = tree({ "norms.js": norms });
    expect((await emit(path, "qk.js", "--write")).exitCode).toBe(0);
    expect(existsSync(`${path}/qk.js`)).toBe(false);
  });

  test("is in the patch, which git apply takes, and goes again with the undo patch", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows) });
    const before = contentsOf(path);
    const { stdout } = await emit(path, "new/qk.js", "--diff");
    const apply = (patch: string) => execFileSync("git", ["apply", "-"], { cwd: path, input: patch });
    apply(stdout);
    const applied = contentsOf(path);
    execFileSync("git", ["apply", "-R", "-"], { cwd: path, input: stdout });
    expect(contentsOf(path)).toEqual(before);
    await emit(path, "new/qk.js", "--write");
    expect(contentsOf(path)).toEqual(applied);
    const [undo] = readdirSync(join(path, ".qknorm-codemod")).filter((name) => name.endsWith(".patch"));
    apply(readFileSync(join(path, ".qknorm-codemod", undo!), "utf8"));
    expect(contentsOf(path)).toEqual(before);
  });
});

describe("asked for each copy", () => {
  const answering = (path: string, input: string) =>
    runCommand([path, "--emit-helper", `${path}/qk.js`, "--interactive"], {
      color: false,
      ask: () => {},
      progress: undefined,
      input: Readable.from([Buffer.from(input)]),
    });

  test("the helper is written as soon as one calls it", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows), "b.js": model(rows) });
    await answering(path, "n\ny\n");
    expect(contentsOf(path)["a.js"]).toBe(model(rows));
    expect(contentsOf(path)["b.js"]).toContain('import { applyQkNorm } from "./qk.js";');
    expect(contentsOf(path)["qk.js"]).toContain("export function applyQkNorm(");
  });

  test("the helper is not written when none does", async () => {
    const path = tree({ "norms.js": norms, "a.js": model(rows), "b.js": model(rows) });
    const before = contentsOf(path);
    await answering(path, "n\nn\n");
    expect(contentsOf(path)).toEqual(before);
  });
});

describe("a file that calls the helper", () => {
  test("keeps its copy when it has something else under that name", async () => {
    const path = tree({
      "norms.js": norms,
      "a.js": `${model(rows)}const applyQkNorm = 1;\n`,
      "b.js": model(rows),
    });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({ "a.js": ["ambiguous"], "b.js": ["replaced"] });
  });

  test.each([
    ['import { RmsNorm } from "./norms.ts";', "./lib/qk-norm.ts"],
    ['import { RmsNorm } from "./norms.js";', "./lib/qk-norm.js"],
    ['import { RmsNorm } from "./norms";', "./lib/qk-norm"],
  ])("imports it as it imports other files: %s", async (imports, module) => {
    const path = tree({ "norms.ts": norms, "a.ts": model(rows, undefined, imports) });
    await emit(path, "lib/qk-norm.ts", "--write");
    expect(contentsOf(path)["a.ts"]).toContain(`import { applyQkNorm } from "${module}";`);
  });

  test.each([
    ["qk_norm.py", "from qk_norm import apply_qk_norm"],
    ["zoo/qk_norm.py", "from ..qk_norm import apply_qk_norm"],
    ["zoo/models/qk_norm.py", "from .qk_norm import apply_qk_norm"],
  ])("in Python, imports %s without leaving its package", async (helper, line) => {
    const path = tree({
      "zoo/__init__.py": "",
      "zoo/models/__init__.py": "",
      "zoo/models/norms.py": "class RMSNorm:\n    pass\n",
      "zoo/models/a.py": `from .norms import RMSNorm


class Attention:
    def __init__(self, config):
        self.q_norm = RMSNorm(config.head_dim)
        self.k_norm = RMSNorm(config.head_dim)

    def forward(self, q, k):
        q = self.q_norm(q)
        k = self.k_norm(k)
        return self.attend(q, k)
`,
    });
    await emit(path, helper, "--write");
    expect(contentsOf(path)["zoo/models/a.py"]).toContain(`${line}\n`);
  });

  test.each(["a.py", "capture.py"])(
    "in Python, is no part of a circle where the helper needs a name that %s declares",
    async (home) => {
      const capture = "def is_capturing():\n    return False\n";
      const model = (imports: string) => `${imports}class Attention:
    def __init__(self, config):
        self.head_dim = config.head_dim
        self.alt_stream = config.stream
        self.q_norm = RMSNorm(self.head_dim)
        self.k_norm = RMSNorm(self.head_dim)

    def _apply_qk_norm(self, q, k):
        if self.alt_stream is not None and is_capturing():
            current = torch.cuda.current_stream()
            self.alt_stream.wait_stream(current)
            q = self.q_norm(q)
            with torch.cuda.stream(self.alt_stream):
                k = self.k_norm(k)
            current.wait_stream(self.alt_stream)
        else:
            q = self.q_norm(q)
            k = self.k_norm(k)
        return q, k

    def forward(self, x):
        q, k = self._apply_qk_norm(self.q_proj(x), self.k_proj(x))
        return self.attend(q, k)
`;
      const norms =
        "class RMSNorm:\n    def forward(self, x):\n        return x * rsqrt(x.pow(2).mean(-1)) * self.weight\n";
      const imports = "import torch\nfrom norms import RMSNorm\n";
      const path = tree({
        "norms.py": norms,
        "torch.py": "cuda = None\n",
        "a.py":
          home === "a.py"
            ? model(`${imports}\n\n${capture}\n\n`)
            : model(`${imports}from capture import is_capturing\n\n\n`),
        "capture.py": home === "a.py" ? "" : `import a\n\n\n${capture}`,
        "b.py": model(`${imports}from ${home.slice(0, -3)} import is_capturing\n\n\n`),
      });
      await emit(path, "qk.py", "--write");
      const helper = contentsOf(path)["qk.py"] ?? "";
      expect(helper).toMatch(new RegExp(`^    from ${home.slice(0, -3)} import is_capturing$`, "m"));
      expect(contentsOf(path)["b.py"]).toContain("from qk import apply_qk_norm");
    },
  );

  test("in Python, keeps its copy when the helper's file imports it", async () => {
    const step = (side: string) =>
      `        ${side} = self.${side}_norm(${side}.reshape(-1, self.head_dim)).reshape(${side}.shape)\n`;
    const attention = `class Attention:
    def __init__(self, config):
        self.head_dim = config.head_dim
        self.q_norm = RMSNorm(self.head_dim)
        self.k_norm = RMSNorm(self.head_dim)

    def forward(self, x):
        q, k = self.q_proj(x), self.k_proj(x)
${step("q")}${step("k")}        return self.attend(q, k)
`;
    const path = tree({
      "norms.py":
        "class RMSNorm:\n    def forward(self, x):\n        return x * rsqrt(x.pow(2).mean(-1)) * self.weight\n",
      "a.py": `from norms import RMSNorm\n\n\n${attention}`,
      "b.py": `from norms import RMSNorm\n\n\n${attention}`,
      "shared.py": "from a import Attention\n\nmodels = [Attention]\n",
    });
    expect(await reasonsOf(path, "shared.py")).toMatchObject({
      "a.py": ["helper-mismatch"],
      "b.py": ["replaced"],
    });
  });
});
