import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { python } from "./python-run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/collapse/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "collapse-classes-")).replaceAll("\\", "/");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let trees = 0;

function tree(files: Readonly<Record<string, string>>): string {
  const path = `${folder}/tree-${++trees}`;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

function contentsOf(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((name) => !name.includes(".qknorm-codemod"));
  return Object.fromEntries(
    names.sort().map((name) => [name.slice(path.length + 1), readFileSync(name, "utf8")]),
  );
}

const collapse = (path: string, ...args: readonly string[]) =>
  runCommand([path, "--collapse-classes", "--assume-helper", ...args]);

/** For each file what became of its classes: "replaced", or the reason with its message. */
async function outcomesOf(path: string): Promise<Record<string, string>> {
  const { stdout } = await collapse(path, "--json");
  const { files } = JSON.parse(stdout) as {
    files: { path: string; findings: { kind: string; reason?: string; message: string }[] }[];
  };
  return Object.fromEntries(
    files.map(({ path: file, findings }) => [
      file.slice(path.length + 1),
      findings.map(({ kind, message }) => `${kind}: ${message.replaceAll(`${path}/`, "")}`).join("; "),
    ]),
  );
}

describe.each(["typescript", "python"])("copies of a norm class in %s", (language) => {
  const [before, after] = ["before", "after"].map((one) => join(fixtures, language, one)) as [string, string];
  const path = join(folder, language);
  cpSync(before, path, { recursive: true });

  test("stay as they are without the flag", async () => {
    await runCommand([path, "--assume-helper", "--write"]);
    expect(contentsOf(path)).toEqual(contentsOf(before));
  });

  test("become one, byte for byte as in the tree after, and a second run changes nothing", async () => {
    await collapse(path, "--write");
    expect(contentsOf(path)).toEqual(contentsOf(after));
    await collapse(path, "--write");
    expect(contentsOf(path)).toEqual(contentsOf(after));
  });
});

describe("the trees before and after", () => {
  test("compute the same in TypeScript, and their types check", () => {
    const [before, after] = ["before", "after"].map((one) => {
      const path = join(fixtures, "typescript", one);
      execFileSync(process.execPath, [join(root, "node_modules/typescript-7/bin/tsc"), "-p", path]);
      return execFileSync(process.execPath, ["--import", "tsx", join(path, "src/main.ts")], {
        cwd: root,
        encoding: "utf8",
      });
    });
    expect(after).toBe(before);
  });

  test.skipIf(python === undefined)("compute the same in Python", () => {
    const [before, after] = ["before", "after"].map((one) =>
      execFileSync(python!, ["-B", "main.py"], { cwd: join(fixtures, "python", one), encoding: "utf8" }),
    );
    expect(after).toBe(before);
  });
});

const rms = `export class RmsNorm {
  constructor(weight) { this.weight = weight; }
  forward(x) { return x.mul(this.weight); }
}
`;
const use = "export const norm = new RmsNorm(1);\n";

describe("a copy is imported only where nobody could tell", () => {
  test("which of the files has it: importers still find it in each", async () => {
    const path = tree({
      "a.js": rms,
      "b.js": rms + use,
      "c.js": 'import { RmsNorm } from "./b.js";\nnew RmsNorm(2);\n',
    });
    await collapse(path, "--write");
    expect(contentsOf(path)["b.js"]).toBe(`import { RmsNorm } from "./a.js";\n\nexport { RmsNorm };\n${use}`);
    expect(contentsOf(path)["c.js"]).toContain('from "./b.js"');
  });

  test("the copy that stays is exported when it was not", async () => {
    const hidden = rms.replace("export ", "");
    const path = tree({ "a.js": hidden + use, "b.js": hidden + use });
    await collapse(path, "--write");
    expect(contentsOf(path)).toEqual({
      "a.js": rms + use,
      "b.js": `import { RmsNorm } from "./a.js";\n\n${use}`,
    });
  });

  test("what the class alone named goes with it, unless that does something", async () => {
    const text = (own: string) => `import { make } from "./make.js";

${own}
// How much is added.
const eps = 1e-6;

const sizes = [eps, 2 * 3];
const made = make();

// What heads go through.
export class RmsNorm {
  constructor(weight) { this.weight = [weight, sizes, made]; }
}
`;
    const path = tree({
      "a.js": text("export const a = 1;"),
      "b.js": text("export const b = 2; // unlike a"),
      "make.js": "",
    });
    await collapse(path, "--write");
    expect(contentsOf(path)["b.js"]).toBe(`import { make } from "./make.js";

export const b = 2; // unlike a
const made = make();

export { RmsNorm } from "./a.js";
`);
  });

  test("the copy that stays is one whose file loads none of the others", async () => {
    const path = tree({ "a.js": `import "./b.js";\n${rms}`, "b.js": rms });
    expect(await outcomesOf(path)).toEqual({
      "a.js": expect.stringContaining("replaced: is the same class as in b.js"),
    });
  });

  test.each([
    ["other code", { "b.js": rms.replace("mul", "div") }, "its code is another than that of a.js"],
    [
      "an import of something else",
      { "b.js": `import { weight } from "./w.js";\n${rms}` },
      "its code is another",
    ],
    [
      "a constant of another value",
      { "a.js": `const weight = 1;\n${rms}`, "b.js": `const weight = 2;\n${rms}` },
      "its code is another",
    ],
    [
      "instanceof",
      { "c.js": 'import { RmsNorm } from "./a.js";\nconst is = (x) => x instanceof RmsNorm;\n' },
      "line 2 of c.js does more",
    ],
    [
      "instanceof under another name",
      { "c.js": 'import { RmsNorm as N } from "./b.js";\nconst is = (x) => x instanceof N;\n' },
      "line 2 of c.js does more",
    ],
    [
      "a member of a module",
      { "c.js": 'import * as a from "./a.js";\nconst is = (x) => x instanceof a.RmsNorm;\n' },
      "line 2 of c.js does more",
    ],
    [
      "a derived class",
      { "c.js": 'import { RmsNorm } from "./a.js";\nclass Wide extends RmsNorm {}\n' },
      "line 2 of c.js does more",
    ],
    ["something written on the class", { "b.js": `${rms}RmsNorm.count = 0;\n` }, "line 5 of b.js does more"],
    [
      "a static member",
      {
        "a.js": rms.replace("{\n", "{\n  static all = [];\n"),
        "b.js": rms.replace("{\n", "{\n  static all = [];\n"),
      },
      "it keeps something on the class",
    ],
    [
      "a decorator",
      { "a.ts": `@register\n${rms}`, "b.ts": `@register\n${rms}`, "a.js": "", "b.js": "" },
      "it has a decorator",
    ],
    [
      "a default export",
      { "a.js": rms.replace("export", "export default"), "b.js": rms.replace("export", "export default") },
      "it is the default export",
    ],
    [
      "CommonJS",
      {
        "a.js": `${rms.replace("export ", "")}module.exports = { RmsNorm };\n`,
        "b.js": `${rms.replace("export ", "")}module.exports = { RmsNorm };\n`,
      },
      "a.js is a CommonJS module",
    ],
    [
      "a circle of imports",
      { "a.js": `import "./b.js";\n${rms}`, "b.js": `import "./a.js";\n${rms}` },
      "each of the files that have it loads another one",
    ],
  ] as [string, Record<string, string>, string][])("but not with %s", async (_, files, message) => {
    const path = tree({ "a.js": rms, "b.js": rms, ...files });
    const before = contentsOf(path);
    const outcomes = Object.values(await outcomesOf(path)).join("\n");
    expect(outcomes).toContain(`refused: ${message}`);
    expect(outcomes).not.toContain("replaced");
    await collapse(path, "--write");
    expect(contentsOf(path)).toEqual(before);
  });

  test("and not in Python when somebody asks isinstance", async () => {
    const cls = "class RMSNorm:\n    def __init__(self, weight):\n        self.weight = weight\n";
    const path = tree({
      "a.py": cls,
      "b.py": cls,
      "c.py": "from a import RMSNorm\n\n\ndef test(x):\n    return isinstance(x, RMSNorm)\n",
    });
    expect(await outcomesOf(path)).toMatchObject({
      "a.py": expect.stringContaining("refused: line 5 of c.py does more"),
    });
  });

  test("and not when only its indentation differs, which is code in Python", async () => {
    const cls = (inner: string) =>
      `class RMSNorm:\n    def forward(self, x):\n        if x:\n            x = x + 1\n${inner}x = x * 2\n        return x\n`;
    const path = tree({ "a.py": cls("        "), "b.py": cls("            ") });
    expect(await outcomesOf(path)).toMatchObject({
      "b.py": expect.stringContaining("refused: its code is another"),
    });
  });
});

test("the flags --emit-helper and --collapse-classes work in one run", async () => {
  const attention = `${rms}export class Attention {
  constructor(config) {
    this.headDim = config.headDim;
    this.qNorm = new RmsNorm(ones(config.headDim));
    this.kNorm = new RmsNorm(ones(config.headDim));
  }
  forward(x) {
    let q = this.qProj(x);
    let k = this.kProj(x);
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return this.attend(q, k);
  }
}
`;
  const path = tree({ "a.js": attention, "b.js": attention });
  await collapse(path, "--emit-helper", `${path}/qk.js`, "--write");
  const { "a.js": a, "b.js": b, "qk.js": qk } = contentsOf(path);
  expect(qk).toContain("export function applyQkNorm");
  expect(a).toContain("export class RmsNorm");
  expect(b).toMatch(/^import \{ RmsNorm \} from ".\/a.js";\nimport \{ applyQkNorm \} from ".\/qk.js";\n/);
  expect(b).not.toContain("class RmsNorm");
});
