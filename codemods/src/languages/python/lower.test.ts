import { describe, expect, test } from "vitest";
import { expressionOf, lower, stepsOf } from "../../../test/python-form-text.ts";
import type { Expr, FunctionForm, Span, Step } from "../../form/form.ts";

describe("an expression in Python", () => {
  test.each([
    ["self_.q_norm(q)", "self_.q_norm(q)"],
    ["q.view(*q.shape[:-1], -1, d)", "q.view(*q.shape[{: undefined -1}], -1, d)"],
    ["f(a, dim=-1, *b, **c)", "f(a, dim=-1, *b, *c)"],
    ["x[..., :2, 1:]", "x[(undefined, {: undefined 2}, {: 1 undefined})]"],
    ["x[a,]", "x[(a)]"],
    ["f(a, \\\n  b, # c\n  d)", "f(a, b, d)"],
    ["x[1: \\\n 2]", "x[{: 1 2}]"],
    ["x[::2]", "x[{: undefined undefined 2}]"],
    ["(q)", "q"],
    ["cast(Tensor, q)", "q"],
    ["typing.cast('Tensor', q).shape", "q.shape"],
    ["a and not b or c", "{|| {&& a {! b}} c}"],
    ["a is not None", "{!= a null}"],
    ["a is None", "{== a null}"],
    ["a not in b", "{not in a b}"],
    ["1 < n <= 3", "{&& {< 1 n} {<= n 3}}"],
    ["a @ b // c ** 2", "{// {@ a b} {** c 2}}"],
    ["-1e-6, +x, -x, ~x", "(-0.000001, {+ x}, {- x}, {~ x})"],
    ["1_000, 0x10, True, None, ...", "(1000, 16, true, null, undefined)"],
    ["1j", "integer![]"],
    ["'a' \"b\"", '"ab"'],
    ["r'\\n', '\\n'", '("\\\\n", "\\n")'],
    ["a if c else b", "{c ? a : b}"],
    ["lambda x, *y: f(x)", "\\x,y. return f(x)"],
    ["[a, *b], (), (a,)", "((a, spread![b]), (), (a))"],
    ["a, *(b), *((None,) * 2)", "(a, spread![b], spread![{* (null) 2}])"],
    ["*(a), f(*(b), c)", "(spread![a], f(*b, c))"],
    ["f(n := g(q))", "f(assignment![n, g(q)])"],
    ['f"{q.shape}:{k!r:>{w}}"', "template![q.shape, k, w]"],
    ["{q: k, **v}", "object![q, k, spread![v]]"],
    ["[f(p) for p in q if p]", "comprehension![f(p), p, q, p]"],
    ["sum(p for p in q)", "sum(comprehension![p, p, q])"],
    ["await f(q)", "await f(q)"],
    ["super().f(q)", "super![]().f(q)"],
  ])("%s", (source, form) => {
    expect(expressionOf(source)).toBe(form);
  });

  test("in parentheses has the span of the parentheses", () => {
    const text = "x = (\n    q\n)";
    const [step] = lower(text).module.body;
    expect(step?.kind === "assign" && slice(text, step.value.span)).toBe("(\n    q\n)");
  });
});

describe("a statement in Python", () => {
  test.each([
    ["q, k = f(q, k)", ["(q, k) = f(q, k)"]],
    ["(q), [k, *rest] = x", ["(q, (k, *rest)) = x"]],
    ["q, = x", ["(q) = x"]],
    ["a = b = v", ["b = v", "a = b"]],
    ["q: Tensor = f(q)", ["q = f(q)"]],
    ["q: Tensor", []],
    ["q += 1; k @= w", ["q += 1", "k @= w"]],
    ["q[0] = k; q.data = k", ["q[0] = k", "q.data = k"]],
    ["pass\n...", []],
    ["del q, k", ["del! (q, k)"]],
    ["assert q, k", ["assert! q, k"]],
    ["raise E(q) from k", ["leave raise![E(q), k]"]],
    ["with s(a) as t, u: pass", ["scope s(a)", "  t = binding![]", "  scope u"]],
    ["with (s(a) as t, u()):\n  q = 1", ["scope s(a)", "  t = binding![]", "  scope u()", "    q = 1"]],
    ["for i, j in x: q = i\nelse: k = 1", ["loop x -> (i, j)", "  q = i", "else!", "  k = 1"]],
    ["for i in *(a), b: q", ["loop (spread![a], b) -> i", "  q"]],
    ["while q: break", ["loop q", "  leave"]],
    [
      "try: q\nexcept E as e: k\nfinally: v",
      ["scope try![]", "  q", "except! E", "  e = binding![]", "  k", "finally!", "  v"],
    ],
    [
      "match q:\n  case [a, A.b, *c] if d:\n    k = 2\n  case P(_, e=f) as g: v\n  case 1: pass\n  case _: u",
      [
        "if case![assignment![(a, c), q], d]",
        "  k = 2",
        "else",
        "  if case![assignment![(f, g), q]]",
        "    v",
        "  else",
        "    if case![]",
        "    else",
        "      u",
      ],
    ],
    ["match q, k:\n  case rest: v", ["if case![assignment![(rest), q, k]]", "  v"]],
    [
      "match q:\n  case 1: v\n  case rest: u",
      ["if case![q]", "  v", "else", "  assignment![(rest), q]", "  u"],
    ],
    ["if a: q\nelif b: k\nelse: v", ["if a", "  q", "else", "  if b", "    k", "  else", "    v"]],
    ["def f(q, /, *, k=1, **kw): return q", []],
    ["import torch", []],
  ])("%s", (source, steps) => {
    expect(stepsOf(source)).toEqual(steps);
  });

  test("covers the text from its first character to its semicolon", () => {
    const text = "def f(q):\r\n\tq = a; k = b  # why\r\n\tif q:\r\n\t\t# c\r\n\t\treturn k\r\n";
    const [f] = lower(text).functions;
    const [first, second, branch] = f?.body ?? [];
    expect([first, second].map((step) => step && slice(text, step.span))).toEqual(["q = a;", "k = b"]);
    expect(branch?.kind === "branch" && slice(text, branch.thenSpan)).toBe("return k");
  });
});

describe("a method in Python", () => {
  const text = `class A(B[int], M.N, *more, metaclass=T):
    """Doc."""

    size: int = 3

    # about f
    # and more
    @property
    @torch.compile(dynamic=True)
    def f(this, q: torch.Tensor, *rest: int, k: "Optional[RMSNorm]" = None) -> "a.B | None":
        """Doc."""
        def g(x): return this.h(x)
        def hides(this): return this.x
        return (lambda this: this.y)(q)

    @staticmethod
    def s(q): return q

    @classmethod
    def c(cls, q): return cls(q)

    async def _p(self): await self.x

    def __m(self): pass

    if torch.version.cuda:
        def forward(self): pass

def outer():
    class Inner: pass
`;
  const [a, inner] = lower(text).classes;
  const method = (name: string) => a?.methods.find((one) => one.name === name) as FunctionForm;

  test("knows its instance by whatever name its first parameter has", () => {
    expect(stepsOf(text, "A.f")).toEqual([
      "def A.f.g(x)",
      "  return SELF.h(x)",
      "def A.f.hides(this)",
      "  return this.x",
      "return \\this. return this.y(q)",
    ]);
    expect(stepsOf(text, "A.s")).toEqual(["return q"]);
    expect(stepsOf(text, "A.c")).toEqual(["return cls(q)"]);
  });

  test("has parameters without the instance, and the classes that annotations name", () => {
    expect(
      method("f").params.map(({ name, type, rest }) => [name, type?.name, type?.nullable, rest]),
    ).toEqual([
      ["q", "torch.Tensor", false, false],
      ["rest", "int", false, true],
      ["k", "RMSNorm", true, false],
    ]);
    expect(method("f").returns).toEqual({ name: "a.B", nullable: true });
  });

  test("keeps decorators and the comments directly above it", () => {
    const { decorators, span, leadingComments, bodySpan, nameSpan } = method("f");
    expect(decorators).toEqual(["property", "torch.compile"]);
    expect(slice(text, span)).toMatch(/^@property[\s\S]*\(q\)$/);
    expect(leadingComments.map((one) => slice(text, one))).toEqual(["# about f", "# and more"]);
    expect(slice(text, bodySpan)).toMatch(/^"""Doc\."""[\s\S]*\(q\)$/);
    expect(slice(text, nameSpan)).toBe("f");
  });

  test("says what kind it is and who may see it", () => {
    expect(
      a?.methods.map(({ name, kind, visibility, isStatic, isAsync }) => [
        name,
        kind,
        visibility,
        isStatic,
        isAsync,
      ]),
    ).toEqual([
      ["f", "accessor", "public", false, false],
      ["s", "method", "public", true, false],
      ["c", "method", "public", true, false],
      ["_p", "method", "protected", false, true],
      ["__m", "method", "private", false, false],
      ["forward", "method", "public", false, false],
    ]);
  });

  test("belongs to a class with bases and fields, which may be inside a function", () => {
    expect(a?.bases.map(({ kind }) => kind)).toEqual(["index", "attribute", "opaque"]);
    expect(a?.fields.map(({ name, type }) => [name, type?.name])).toEqual([["size", "int"]]);
    expect([a?.exported, a?.nested, inner?.exported, inner?.nested]).toEqual([true, false, false, true]);
  });
});

describe("a Python file", () => {
  test("lists functions, also lambdas and those under an if, and leaves them out of its own steps", () => {
    const text =
      "import os\nx = 1\nf = lambda q: q\nif x:\n    def g(q): return q\ndef _h(q): return q\nclass C: pass\n";
    const form = lower(text);
    expect(form.functions.map(({ name, visibility }) => [name, visibility])).toEqual([
      ["f", "exported"],
      ["g", "exported"],
      ["_h", "private"],
    ]);
    expect(stepsOf(text)).toEqual(["x = 1", "f = \\q. return q", "if x", "  def g(q)", "    return q"]);
  });

  test("exports an underscored name that __all__ lists", () => {
    const [f] = lower('__all__ = ["_f"]\ndef _f(q): return q\n').functions;
    expect(f?.visibility).toBe("exported");
  });

  test("mentions names in code, in quoted annotations, in f-string holes and in __all__, and no others", () => {
    const text = [
      "from x import Tuple",
      "__all__ = ['Tuple']",
      "def f(q: 'Tuple[int]'):  # Tuple",
      "    '''Tuple'''",
      "    s = 'Tuple' + f'Tuple {Tuple}' + rb'Tuple'",
      "    return Tuple",
    ].join("\n");
    const lines = lower(text)
      .mentions.get("Tuple")
      ?.map(({ start }) => text.slice(0, start).split("\n").length);
    expect(lines).toEqual([1, 2, 3, 5, 6]);
  });

  test("reads every shape of import", () => {
    const text = [
      "from __future__ import annotations",
      "import a, b.c as d, e.f",
      "from . import g",
      "from ..h . i import (j as k,  # why",
      "    l,)",
      "from m import *",
      "if TYPE_CHECKING:",
      "    from n import o",
      "def f():",
      "    import p",
    ].join("\n");
    const rows = lower(text).imports.map(({ module, names, topLevel, typeOnly }) => [
      module,
      names.map(({ imported, local }) => `${imported}>${local}`).join(),
      [topLevel ? "top" : "inner", ...(typeOnly ? ["type"] : [])].join(" "),
    ]);
    expect(rows).toEqual([
      ["__future__", "annotations>annotations", "top"],
      ["a", "*>a", "top"],
      ["b.c", "*>d", "top"],
      ["e.f", "*>e.f", "top"],
      [".", "g>g", "top"],
      ["..h.i", "j>k,l>l", "top"],
      ["m", "*>*", "top"],
      ["n", "o>o", "inner type"],
      ["p", "*>p", "inner"],
    ]);
  });

  test.each([
    ["def f(:\n    x = \n", 1],
    ["x = (1,\n", 1],
    ["ok = 1\nif x:\n\ny = 1\n", 2],
    ["x = = 1\n", 1],
    ["def f(:\n    pass\n", 1],
    ["y = 1\nwhile :\n    pass\n", 2],
  ])("that does not parse says where: %j", (text, line) => {
    const [error] = lower(text).errors;
    expect(error?.message).toContain(`line ${line}`);
  });

  test("has none where a star stands before a parenthesis, and every span is of the text as it is", () => {
    const text = "def f(a):\n    return a, *((a,) * 2)\n";
    const form = lower(text);
    expect(form.errors).toEqual([]);
    const [step] = form.functions[0]?.body ?? [];
    const items = step?.kind === "return" && step.value?.kind === "tuple" ? step.value.items : [];
    expect(items.map(({ span }) => slice(text, span))).toEqual(["a", "*((a,) * 2)"]);
    expect(form.mentions.get("a")).toHaveLength(3);
  });

  test("that is empty has no errors", () => {
    expect([lower("").errors, lower("\n").errors, lower("# c").errors]).toEqual([[], [], []]);
  });

  test("may be as deep as it is long, and no name in it is lost", () => {
    const sum = Array.from({ length: 20_000 }, (_, i) => `x${i}`).join(" + ");
    const chain = Array.from({ length: 3_000 }, (_, i) => `elif a == ${i}:\n    b\n`).join("");
    const { module } = lower(`y = ${sum}\nif a:\n    b\n${chain}else:\n    c\n`);
    const [assigned] = module.body;
    const sumForm = assigned?.kind === "assign" ? assigned.value : undefined;
    const names = new Set(exprsIn(sumForm).flatMap((expr) => (expr.kind === "name" ? [expr.name] : [])));
    expect(names.size).toBe(20_000);
  });

  test("counts offsets in UTF-16 units, as JavaScript does", () => {
    const text = "s = '😀é'\nq = norm(q)\n";
    const step = lower(text).module.body[1];
    expect(step && slice(text, step.span)).toBe("q = norm(q)");
  });

  test("has steps in source order that do not overlap, in every block", () => {
    const text =
      "def f():\n  a = 1; b = 2\n  try:\n    c\n  except E:\n    d\n  else:\n    e\n  for x in y:\n    z\n  else:\n    w\n";
    for (const block of blocks(lower(text).functions[0]?.body ?? [])) {
      const edges = block.flatMap(({ span }) => [span.start, span.end]);
      expect(edges).toEqual(edges.toSorted((x, y) => x - y));
    }
  });
});

function slice(text: string, { start, end }: Span): string {
  return text.slice(start, end);
}

function exprsIn(node: unknown): readonly Expr[] {
  if (typeof node !== "object" || node === null) return [];
  const inner = Object.values(node).flatMap(exprsIn);
  return "kind" in node ? [node as Expr, ...inner] : inner;
}

function blocks(steps: readonly Step[]): readonly (readonly Step[])[] {
  const inner = steps.flatMap((step) => ("body" in step ? blocks(step.body) : []));
  return [steps, ...inner];
}
