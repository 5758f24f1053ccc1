import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { contentsOf, emit, makeTrees, model, norms, reasonsOf, rows } from "./emit-trees.ts";
import { outputsOf, python, pythonFixtures } from "./python-run.ts";

const { folder, tree } = makeTrees();

const root = fileURLToPath(new URL("../../", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));

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
    const tsc = join(root, "node_modules/typescript-7/bin/tsc");
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
      node(bin("typescript-7/bin/tsc"), "-p", "tsconfig.json");
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

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
        "class RMSNorm:\n    def forward(self, x):\n        return x * rsqrt(x.pow(2).mean(-1)) * self.weight\n",
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
