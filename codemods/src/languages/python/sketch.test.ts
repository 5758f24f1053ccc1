import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { equivalentCase } from "../../../test/python-cases.ts";
import { pythonFixtures } from "../../../test/python-run.ts";
import { lowerPython } from "./lower.ts";
import { glanceAtPython, sketchOf } from "./sketch.ts";

/** Two forms of one text: from its sketch, and from the whole of it. */
function formsOf(text: string) {
  const source = { path: "model.py", language: "python", text } as const;
  const plain = (value: object) => JSON.parse(JSON.stringify({ ...value }));
  return [
    lowerPython(source),
    lowerPython(source, { text, shifts: [], left: new Map(), prose: sketchOf(text).prose }),
  ].map(plain);
}

const far = (name: string) => `def ${name}(x):
    """Says '''nothing''' of (anything."""
    y = {"a": [1, 2
        ], "b": "(#"}  # a comment (
    if x: return y
    z = "one \\
two"
    return 'it\\'s'
`;
const near = `def attend(self, q, k):
    q = self.q_norm(q)
    return q, rotate(k)
`;

describe("a sketch", () => {
  const text = `${far("rotate")}\n${near}\nclass A:\n    """${"words ".repeat(20)}"""\n\n    size = 1\n`;

  it("leaves out what has nothing to do with norms, and tells where the rest stood", () => {
    const sketch = sketchOf(text);
    const by = sketch.shifts.findLast(({ from }) => from <= sketch.text.indexOf(near))?.by;
    expect(sketch.text).not.toContain("nothing");
    expect(sketch.text).not.toContain("words");
    expect(sketch.text.indexOf(near) + (by ?? 0)).toBe(text.indexOf(near));
    expect(sketch.left.size).toBe(1);
  });

  it("knows comments and strings, but for those that may hold code", () => {
    const code = `a = "one" # two\n# three\nb = (r'four', f"{five}", rf"{six}", # seven\n  b"eight")\n`;
    const { prose } = sketchOf(`${code}\n${near}`);
    expect(prose.map(({ start, end }) => code.slice(start, end).trim())).toEqual([
      '"one"',
      "# two",
      "# three",
      "'four'",
      "# seven",
      '"eight"',
    ]);
  });

  it("is the whole text where brackets or strings do not close", () => {
    for (const open of ["x = (1,\n", 'x = "abc\n', 'x = """abc\n', "x = 1)\n"])
      expect(sketchOf(far("rotate") + open).left.size).toBe(0);
  });

  it.each([
    ["strings, brackets and comments", text],
    [
      "a class with tabs",
      `class A:\n\tdef far(self):\n\t\tx = 1\n\t\treturn x\n\n${near.replace(/^/gm, "\t")}`,
    ],
    ["carriage returns", text.replaceAll("\n", "\r\n")],
    [
      "functions in functions",
      `def outer():\n${far("inner").replace(/^/gm, "    ")}\n    return inner\n\n${near}`,
    ],
    [
      "decorators and async",
      `@cache\n@other(1)\nasync def far(x):\n    y = await x\n    return y\n\n${near}`,
    ],
    ["no line end in the end", `${near}\n${far("rotate").trimEnd()}`],
    ["a comment in the end", `${near}\n${far("rotate")}    # the end`],
    [
      "code behind a class",
      `class A:\n    def far(self):\n        x = 1\n        return x\n\nb = A()\n\n${near}`,
    ],
  ])("lowers to the same form as the whole: %s", (_, code) => {
    const [sketched, whole] = formsOf(code);
    expect(sketchOf(code).left.size).toBeGreaterThan(0);
    expect(sketched).toEqual(whole);
  });

  it("lowers every fixture to the same form as the whole", () => {
    const files = readdirSync(pythonFixtures, { recursive: true, encoding: "utf8" });
    for (const name of files.filter((one) => one.endsWith(".py"))) {
      const [sketched, whole] = formsOf(readFileSync(join(pythonFixtures, name), "utf8"));
      expect(sketched, name).toEqual(whole);
    }
  });
});

describe("a glance", () => {
  it("passes every file that spells the step, in random ways too", () => {
    for (let seed = 0; seed < 200; seed++) {
      const { text } = equivalentCase(seed);
      expect(glanceAtPython(text)?.mayHoldStep ?? true, text).toBe(true);
    }
  });

  it.each([
    [
      "a norm and a query in two functions",
      "def f(x):\n    return norm(x)\n\ndef g(q):\n    return q\n",
      false,
    ],
    ["one that calls the other", "def f(x):\n    return norm(x)\n\ndef g(q):\n    return f(q)\n", true],
    ["a lambda", "f = lambda x: norm(x)\n\ndef g(q):\n    return f(q)\n", true],
    ["the file's own statements", "q = norm(q)\n", true],
    ["an import", "from norms import q_norm\n\ndef g(x):\n    return x\n", false],
    ["what cannot be told", "def f(x:\n", undefined],
  ])("tells of %s", (_, code, expected) => {
    expect(glanceAtPython(code)?.mayHoldStep).toBe(expected);
  });
});
