import { describe, expect, test } from "vitest";
import type { Language } from "../files/source-files.ts";
import { allFrontEnds } from "./front-ends.ts";

const frontEnds = await allFrontEnds();

/** The code of the first class of a text. */
function codeOf(text: string, language: Language): string {
  const source = { path: language === "python" ? "a.py" : "a.ts", language, text };
  const frontEnd = frontEnds.find(({ languages }) => languages.includes(language))!;
  return frontEnd.codeOf(source, frontEnd.lower(source).classes[0]!.span);
}

const script = (body: string) => codeOf(`class A {\n  run(x: T) {\n    ${body}\n  }\n}\n`, "typescript");
const python = (body: string) => codeOf(`class A:\n    def run(self, x):\n        ${body}\n`, "python");

describe("the code of a class in TypeScript", () => {
  test.each([
    ["layout", "return f(x, 1);", "return f(\n  x,\n  1,\n)"],
    ["comments", "return x;", "// what else\nreturn /* the */ x;"],
    ["quotes", "return 'a';", 'return "a";'],
    ["names of variables", "const a = x; return a;", "const b = x; return b;"],
  ])("is the same whatever its %s", (_, one, other) => {
    expect(script(one)).toBe(script(other));
  });

  test.each([
    ["return x + 1;", "return x - 1;"],
    ["return -x;", "return x;"],
    ["return !x;", "return ~x;"],
    ["x++;", "x--;"],
    ["x++;", "++x;"],
    ["return x ?? 1;", "return x || 1;"],
    ["return x?.y;", "return x.y;"],
    ["return x.a;", "return x.b;"],
    ["return `a`;", "return `b`;"],
    ["return /a/g;", "return /a/i;"],
    ["for (; x; ) {}", "for (x; ; ) {}"],
    ["for (; ; x) {}", "for (; x; ) {}"],
    ["f(...x);", "f(x);"],
    ["return [x, , 1];", "return [x, 1];"],
    ["if (x) return 1; return 2;", "if (x) { return 1; return 2; }"],
    ["return\nx;", "return x;"],
    ["const a = x; return { a };", "const b = x; return { b };"],
    ["const { a } = x; return a;", "const { b } = x; return b;"],
    ["const a = 1; const b = 2; return a;", "const a = 1; const b = 2; return b;"],
    ["const a = x; return other;", "const other = x; return other;"],
    ["return await x;", "return x;"],
    ["return new F(x);", "return F(x);"],
  ])("is another for %s and %s", (one, other) => {
    expect(script(one)).not.toBe(script(other));
  });

  test.each([
    ["class A { get a() { return 1; } }", "class A { set a() { return 1; } }"],
    ["class A { a() {} }", "class A { async a() {} }"],
    ["class A { a() {} }", "class A { *a() {} }"],
    ["class A { a() {} }", "class A { static a() {} }"],
    ["class A { constructor(a: T) {} }", "class A { constructor(readonly a: T) {} }"],
    ["class A extends B {}", "class A extends C {}"],
    ["class A { a = 1; b = 2 }", "class A { b = 2; a = 1 }"],
  ])("is another for %s and %s", (one, other) => {
    expect(codeOf(one, "typescript")).not.toBe(codeOf(other, "typescript"));
  });
});

describe("the code of a class in Python", () => {
  test.each([
    ["layout", "return f(x, 1)", "return f(\n            x,\n            1,\n        )"],
    ["comments", "return x", "# what else\n        return x  # this"],
    ["quotes", "return 'a'", 'return "a"'],
    ["documentation", "return x", '"""Gives x."""\n        return x'],
    ["names of variables", "a = x\n        return a", "b = x\n        return b"],
  ])("is the same whatever its %s", (_, one, other) => {
    expect(python(one)).toBe(python(other));
  });

  test.each([
    ["return x + 1", "return x - 1"],
    ["return -x", "return x"],
    ["return x.a", "return x.b"],
    ["return f(a=x)", "return f(b=x)"],
    ["return x[1]", "return x[1,]"],
    ["return x[1:]", "return x[:1]"],
    ["return (1,)", "return (1)"],
    ["return f'{x}a'", "return f'{x}b'"],
    ["return r'a'", "return b'a'"],
    ["if x:\n            x = 1\n        x = 2", "if x:\n            x = 1\n            x = 2"],
    ["a = 1\n        b = 2\n        return a", "a = 1\n        b = 2\n        return b"],
    ["return await_(x)", "return x"],
    ["return not x", "return x"],
    ["return x is None", "return x == None"],
  ])("is another for %s and %s", (one, other) => {
    expect(python(one)).not.toBe(python(other));
  });

  test("is another for another name of a parameter, which callers may say", () => {
    const cls = (name: string) => `class A:\n    def run(self, ${name}):\n        return ${name}\n`;
    expect(codeOf(cls("x"), "python")).not.toBe(codeOf(cls("y"), "python"));
  });
});
