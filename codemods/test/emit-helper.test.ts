import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { outputsOf, python, pythonFixtures } from "./python-run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "emit-helper-")).replaceAll("\\", "/");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let trees = 0;

/** A folder with these files. */
function tree(files: Readonly<Record<string, string>>): string {
  const path = `${folder}/tree-${++trees}`;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** Every file under a folder, by its path there. */
function contentsOf(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((name) => !name.includes(".qknorm-codemod"));
  return Object.fromEntries(
    names.sort().map((name) => [name.slice(path.length + 1), readFileSync(name, "utf8")]),
  );
}

const emit = (path: string, helper: string, ...args: readonly string[]) =>
  runCommand([path, "--emit-helper", `${path}/${helper}`, ...args]);

async function reasonsOf(path: string, helper: string): Promise<Record<string, (string | undefined)[]>> {
  const { stdout } = await emit(path, helper, "--json");
  const { files } = JSON.parse(stdout) as {
    files: { path: string; findings: { kind: string; reason?: string }[] }[];
  };
  return Object.fromEntries(
    files.map((file) => [
      file.path.slice(path.length + 1),
      file.findings.map(({ kind, reason }) => (kind === "replaced" ? "replaced" : reason)),
    ]),
  );
}

describe.each([
  ["typescript", join(fixtures, "emit/typescript/before"), "src/shared.ts"],
  ["commonjs", join(fixtures, "emit/commonjs/before"), "lib/qk-norm.js"],
  ["python", join(pythonFixtures, "replace/before"), "engine/layers/qk_norm.py"],
])("the copies of a repository in %s", (name, before, helper) => {
  const path = join(folder, name);
  cpSync(before, path, { recursive: true });

  test("are not touched by a dry run, which shows the helper", async () => {
    const { stdout } = await emit(path, helper);
    expect(stdout).toMatch(/\+.*(?:def apply_qk_norm|function applyQkNorm)\(/);
    expect(stdout).toContain(`Would write the helper to ${path}/${helper}\n`);
    expect(contentsOf(path)).toEqual(contentsOf(before));
  });

  test("call one helper after --write, byte for byte as in the tree after", async () => {
    expect((await emit(path, helper, "--write")).exitCode).toBe(0);
    expect(contentsOf(path)).toEqual(contentsOf(join(fixtures, "emit", name, "after")));
  });

  test("are left alone by a second run, with or without the flag", async () => {
    const once = contentsOf(path);
    expect((await emit(path, helper, "--write")).stdout).not.toContain("Replaced");
    expect((await runCommand([path, "--write", "--assume-helper"])).stdout).not.toContain(helper);
    for (const [file, text] of Object.entries(once)) {
      if (/delta|epsilon/.test(file)) continue; // copies that the helper is wrong for; another one may not be
      expect(contentsOf(path)[file]).toBe(text);
    }
  });
});

describe("what the emitted helper computes", () => {
  const run = (file: string, ...flags: readonly string[]) =>
    execFileSync(process.execPath, [...flags, file], { encoding: "utf8", cwd: root });
  const trees = (name: string) => ["before", "after"].map((one) => join(fixtures, "emit", name, one));

  test("is what the copies computed, in TypeScript, whose types check", () => {
    const [before, after] = trees("typescript").map((path) =>
      run(join(path, "src/main.ts"), "--import", "tsx"),
    );
    expect(after).toBe(before);
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    for (const path of trees("typescript")) execFileSync(process.execPath, [tsc, "-p", path]);
  });

  test("is what the copies computed, in JavaScript", () => {
    const [before, after] = trees("commonjs").map((path) => run(join(path, "main.js")));
    expect(after).toBe(before);
  });

  test.skipIf(python === undefined)("is what the copies computed, in Python", () => {
    expect(outputsOf(join(fixtures, "emit/python/after"))).toEqual(
      outputsOf(join(pythonFixtures, "replace/before")),
    );
  });

  test("is what the example model repo computed, to the bit, and its types check", async () => {
    const copy = mkdtempSync(join(root, "examples", ".emit-helper-"));
    try {
      cpSync(join(root, "examples/model-repo"), copy, { recursive: true });
      const { stdout } = await emit(copy, "src/qk-norm.ts", "--write", "--allow-dirty");
      expect(stdout).toContain("7 copies replaced, 1 kept");
      const node = (...args: string[]) =>
        execFileSync(process.execPath, args, { cwd: copy, encoding: "utf8" });
      const bin = (name: string) => join(root, "node_modules", name);
      const pins = node(bin("tsx/dist/cli.mjs"), "--conditions=@qknorm/source", "src/main.ts", "--pins");
      expect(JSON.parse(pins)).toEqual(JSON.parse(readFileSync(join(copy, "test/outputs.json"), "utf8")));
      node(bin("typescript/bin/tsc"), "-p", "tsconfig.json");
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

const norms = `export class RmsNorm {
  constructor(weight, eps) { this.weight = weight; this.eps = eps; }
  forward(x) { return x.mul(rsqrt(x.square().mean() + this.eps)).mul(this.weight); }
}
`;

/** A model whose two sides are normalised by these expressions. */
function model(
  q: string,
  k = q.replaceAll("q", "k"),
  imports = 'import { RmsNorm } from "./norms.js";',
): string {
  return `${imports}
export class Attention {
  constructor(config) {
    this.headDim = config.headDim;
    this.qNorm = new RmsNorm(ones(config.headDim));
    this.kNorm = new RmsNorm(ones(config.headDim));
  }
  forward(x) {
    let q = this.qProj(x);
    let k = this.kProj(x);
    q = ${q};
    k = ${k};
    return this.attend(q, k);
  }
}
`;
}

const rows = "this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape)";

describe("one helper is made of copies that differ", () => {
  test("reshape and view in Python become reshape", async () => {
    const file = (step: string) => `from norms import RMSNorm


class Attention:
    def __init__(self, config):
        self.head_dim = config.head_dim
        self.q_norm = RMSNorm(self.head_dim)
        self.k_norm = RMSNorm(self.head_dim)

    def forward(self, x):
        q, k = self.q_proj(x), self.k_proj(x)
        q = ${step}
        k = ${step.replaceAll("q", "k")}
        return self.attend(q, k)
`;
    const path = tree({
      "norms.py":
        "class RMSNorm:\n    def forward(self, x):\n        return x * rsqrt(x.pow(2).mean()) * self.weight\n",
      "a.py": file("self.q_norm(q.view(-1, self.head_dim)).view_as(q)"),
      "b.py": file("self.q_norm(q.reshape((-1, self.head_dim))).reshape(q.shape)"),
    });
    await emit(path, "shared.py", "--write");
    const { "a.py": a, "shared.py": shared } = contentsOf(path);
    expect(a).toContain("from shared import apply_qk_norm\n");
    expect(shared).toBe(`"""The QK-norm step."""


def apply_qk_norm(q, k, q_norm, k_norm, head_dim):
    """Normalises each head of q and k; both keep their shape."""
    q_normed = q_norm(q.reshape(-1, head_dim))
    k_normed = k_norm(k.reshape(-1, head_dim))
    return q_normed.reshape(q.shape), k_normed.reshape(k.shape)
`);
  });

  test.each([
    [
      "a list of sizes, and sizes one by one",
      "this.qNorm.forward(q.reshape(-1, this.headDim)).reshape(...q.shape)",
    ],
    ["a norm called otherwise", "this.qNorm(q.reshape([-1, this.headDim])).reshape(q.shape)"],
    ["another way to rows", "this.qNorm.forward(q.view([-1, this.headDim])).reshape(q.shape)"],
    ["another way back", "this.qNorm.forward(q.reshape([-1, this.headDim])).viewAs(q)"],
  ])("but not of %s: fewer stay, and say why", async (_, odd) => {
    const path = tree({ "norms.js": norms, "a.js": model(rows), "b.js": model(rows), "c.js": model(odd) });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({
      "a.js": ["replaced"],
      "b.js": ["replaced"],
      "c.js": ["helper-mismatch"],
    });
  });

  test("nor of streams that wait for something else, or under another condition", async () => {
    const streams = (test: string, main: string) =>
      `import { RmsNorm } from "./norms.js";
import { captures, other, mainStream, secondStream } from "./streams.js";
export class Attention {
  constructor(config) {
    this.headDim = config.headDim;
    this.qNorm = new RmsNorm(ones(config.headDim));
    this.kNorm = new RmsNorm(ones(config.headDim));
  }
  forward(x) {
    const [q, k] = this.#normalize(this.qProj(x), this.kProj(x));
    return this.attend(q, k);
  }
  #normalize(q, k) {
    if (this.altStream && ${test}()) {
      this.altStream.waitFor(${main});
      const a = ${rows};
      const b = this.altStream.run(() => ${rows.replaceAll("q", "k")});
      return [a, b];
    }
    return [${rows}, ${rows.replaceAll("q", "k")}];
  }
}
`;
    const path = tree({
      "norms.js": norms,
      "streams.js": "export const captures = null, other = null, mainStream = null, secondStream = null;\n",
      "a.js": streams("captures", "mainStream"),
      "b.js": streams("captures", "mainStream"),
      "c.js": streams("captures", "secondStream"),
      "d.js": streams("other", "mainStream"),
    });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({
      "a.js": ["replaced"],
      "b.js": ["replaced"],
      "c.js": ["helper-mismatch"],
      "d.js": ["helper-mismatch"],
    });
  });

  test.each([
    ["modules, as modules", true, "{ forward: (x) => rmsNorm(x, this.qNorm.weight, 1e-6) }"],
    ["nothing but functions, as functions", false, "(x) => rmsNorm(x, this.qNorm.weight, 1e-6),"],
  ])("but of norms that are functions it is: beside %s", async (_, hasModules, written) => {
    const ops = 'import { RmsNorm } from "./norms.js";\nimport { rmsNorm } from "./ops.js";';
    const path = tree({
      "norms.js": norms,
      "ops.js":
        "export function rmsNorm(x, weight, eps) {\n  return x.mul(rsqrt(x.square().mean() + eps)).mul(weight);\n}\n",
      ...(hasModules && { "a.js": model(rows), "b.js": model(rows) }),
      "c.js": model(
        "rmsNorm(q.reshape([-1, this.headDim]), this.qNorm.weight, 1e-6).reshape(q.shape)",
        undefined,
        ops,
      ),
    });
    await emit(path, "qk.js", "--write");
    expect(contentsOf(path)["c.js"]).toContain(written);
    expect(contentsOf(path)["qk.js"]).toContain(hasModules ? "qNorm.forward(q.reshape" : "qNorm(q.reshape");
  });

  test("nor where tensors are freed by hand, whose rows nobody would free", async () => {
    const freed = model("this.qNorm.forward(q.reshape([2, 3, this.headDim]))").replace(
      "    return",
      "    x.dispose();\n    return",
    );
    const path = tree({ "norms.js": norms, "a.js": model(rows), "b.js": freed });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({
      "a.js": ["replaced"],
      "b.js": ["helper-mismatch"],
    });
  });

  test("nor where a norm of unknown code is given whole tensors", async () => {
    const whole = model(
      "this.qNorm.forward(q.reshape([2, 3, this.headDim]))",
      undefined,
      'import { Strange as RmsNorm } from "elsewhere";',
    );
    const path = tree({ "norms.js": norms, "a.js": model(rows), "b.js": whole });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({
      "a.js": ["replaced"],
      "b.js": ["helper-mismatch"],
    });
  });
});

describe("a tensor that is read again as it was before the norm", () => {
  const reading = (between: string, after: string) =>
    model(rows)
      .replace("    k = this.kNorm", `${between}    k = this.kNorm`)
      .replace("    return", `${after}    return`)
      .replace("    q = this.qNorm", "    const raw = q, rawK = k;\n    q = this.qNorm");

  test("keeps no copy, since the emitted helper overwrites nothing", async () => {
    const path = tree({ "norms.js": norms, "a.js": reading("", "    this.gate(raw, rawK);\n") });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({ "a.js": ["replaced"] });
    const { stdout } = await runCommand([path, "--json"]);
    expect(stdout).toContain("aliased-input");
  });

  test("keeps the copy when that is before both are normalised: it may be written to", async () => {
    const path = tree({ "norms.js": norms, "a.js": reading("    this.scale(raw);\n", "") });
    expect(await reasonsOf(path, "qk.js")).toMatchObject({ "a.js": ["aliased-input"] });
  });
});

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
        "class RMSNorm:\n    def forward(self, x):\n        return x * rsqrt(x.pow(2).mean()) * self.weight\n";
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
        "class RMSNorm:\n    def forward(self, x):\n        return x * rsqrt(x.pow(2).mean()) * self.weight\n",
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
