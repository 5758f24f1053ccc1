import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { equivalentCase } from "../../../../test/python-cases.ts";
import { pythonFixtures } from "../../../../test/python-run.ts";
import { parseByTreeSitter, type SyntaxNode, spanOf } from "../syntax.ts";
import { readPython } from "./statement-reader.ts";

const fields = (
  "name parameters return_type body superclasses condition consequence alternative left right operator type value argument " +
  "arguments function object attribute subscript module_name alias key definition expression cause"
).split(" ");
const leftOut = new Set(["comment", "line_continuation"]);

/** A line for each node: its kind, its place and which of its children have a role. */
function dump(node: SyntaxNode, depth = 0): readonly string[] {
  const { start, end } = spanOf(node);
  const roles = fields.flatMap((name) => {
    const child = node.field(name);
    return child === null ? [] : [`${name}@${spanOf(child).start}`];
  });
  const own = node.is("module") ? "" : ` ${start}-${end}`;
  const line = `${" ".repeat(depth)}${String(node.kind())}${node.isNamed() ? "" : "'"}${own} ${roles.join(" ")}`;
  const children = node.is("string_content")
    ? []
    : node.children().filter((child) => !leftOut.has(String(child.kind())));
  return [line, ...children.flatMap((child) => dump(child, depth + 1))];
}

function commentsOf(root: SyntaxNode): readonly number[] {
  return root.findAll({ rule: { kind: "comment" } }).map((node) => spanOf(node).start);
}

/** Without what does not parse, a `match`, which is left to tree-sitter, and what has `*f(x)`, which tree-sitter's grammar takes for a call of `*f`. */
const files = readdirSync(pythonFixtures, { recursive: true, encoding: "utf8" }).filter((path) =>
  /^(?:keep|replace).*(?<!broken|cases)\.py$/.test(path),
);

describe("the tree that is read without tree-sitter", () => {
  it.each([
    "x, *y = a[1:2, ..., None], a[::2], a[b,]\nx = (a, *b), [a, *b], {a, *b}, {**a, 'b': c}, (), (a,), {}\n",
    "a = b = yield c\nx += yield\nx: int\nx.y: A.b = f()\n(a, [b, *c]) = d\na[b] **= ~c ** -d\n",
    "x: Optional[List[int]] = None\ny: A[B] | C[D] | None\nz: A | B[C]\nw: Callable[[int], 'A'] = f\n",
    "x = a if b else c if d else lambda y, *z, k=1, **w: not y or z and w\n",
    "x = a < b <= c is not d not in e in f != g\nx = a | b ^ c << d + e * f @ g // h\n",
    "x = [a for b, c in d if e if f for (g) in h]\ny = {a: b for c in d}, {a async for b in c}, (a for b in c)\n",
    "f(a, *b, k=c, **d)(x for x in y)[z].w(n := 1)\nprint(a, file=b)\nexec('a')\n",
    "x = f'{a!r:>{b}}c{{}}{d=}{e[\"f\"]}' rb'\\x' '''\n\\''''\ny = (\"a\"\n  # c\n  \"b\")\n",
    "from __future__ import a\nfrom . import b, c as d\nfrom ...e.f import (g, h as i,)\nfrom j import *\nimport k.l as m, n\n",
    "@a.b(c)  # why\n@d\nclass A(B, metaclass=C):\n    '''s'''\n    # c\n    x: int = 3\n    async def f(self): await a\n    # d\n\n# e\n",
    "def f(self, a, b=1, /, *c: int, d: int = 2, **e: A) -> Tuple[A, 'B']: return a\ndef g(*, a): pass  # b\n",
    "if a: b; c\nelif d:\n    e\n# f\nelse:\n    g\n    # h\n  # i\nwhile a: break\nelse: continue\n",
    "for a, in b, c: pass\nelse:\n  d\nasync def f():\n  async for a in b:\n    async with c as d, e as (f, g): pass\n",
    "with (a): pass\nwith (a as b): pass\nwith (a as b, c): pass\nwith (a, b) as c: pass\nwith (a).b as c.d: pass\n",
    "try:\n  a\nexcept (A, B) as e:\n  raise X from e\nexcept: raise\nelse: b\nfinally:\n  del a, b[c]\n  assert d, e\n",
    "def f():\n    global a, b\n    nonlocal c\n    return a, b  # c\n\n\n    # d\ndef g():\n\tx = 1 \\\n\t + 0x1F + 1.5e3 + 2j + .5\n",
    "if a:\r\n    '''b\r\n    '''\r\n    c\r\n\r\nd\r\n",
  ])("is the same for %j", (text) => {
    const read = readPython(text)!;
    expect(dump(read)).toEqual(dump(parseByTreeSitter(text)));
    expect(commentsOf(read)).toEqual(commentsOf(parseByTreeSitter(text)));
  });

  it.each(files)("is the same for %s", (path) => {
    const text = readFileSync(join(pythonFixtures, path), "utf8");
    expect(dump(readPython(text)!)).toEqual(dump(parseByTreeSitter(text)));
  });

  it("is the same for 100 generated programs", () => {
    for (let seed = 0; seed < 100; seed++) {
      const { text } = equivalentCase(seed);
      expect(dump(readPython(text)!)).toEqual(dump(parseByTreeSitter(text)));
    }
  });

  it("has Python's order of operators, which tree-sitter's grammar has not", () => {
    const sum = readPython("a ^ b & c\n")!.child(0)!.child(0)!;
    expect(sum.field("right")!.text()).toBe("b & c");
  });

  it.each([
    "x = (1,\n",
    "def f(:\n    pass\n",
    "x = 'a\n",
    "if a:\nb\n",
    "  x\n y\n",
    "x = = 1\n",
    "f(a b)\n",
    "class = 1\n",
    "x = 1 if a\n",
    "1 = x\n",
    "print a\n",
    "print >> a, b\n",
    "match x:\n  case 1: pass\n",
    "def f[T](x): pass\n",
    "type X = int\n",
    "return a, *(b)\n",
    "x = a ? b\n",
    "try: pass\n",
    `x = ${"(".repeat(50_000)}`,
  ])("is left to tree-sitter for %j", (text) => {
    expect(readPython(text)).toBeUndefined();
  });
});
