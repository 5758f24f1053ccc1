import { describe, expect, it } from "vitest";
import { type CodePiece, nearCode } from "./near-code.ts";

/** Pieces that are called by the first word of each part; `a::A` is a method of A. */
function near(...parts: readonly string[]) {
  let start = 0;
  const pieces = parts.map((part): CodePiece => {
    const range = { start, end: start + part.length };
    start = range.end;
    return { calledAs: /^[\w#$]+/.exec(part)?.[0], owner: /::(\w*)/.exec(part)?.[1], ranges: [range] };
  });
  const found = nearCode(parts.join(""), pieces);
  const names = (some: ReadonlySet<CodePiece>) => [...some].map(({ calledAs }) => calledAs).sort();
  return { near: names(found.near), traced: names(found.traced), needed: names(found.needed) };
}

describe("code near a norm", () => {
  it("is what names one, and what calls that", () => {
    expect(near("a: norm(x);", "b: a(q);", "c: q;").near).toEqual(["a", "b"]);
  });

  it("is traced where q is named too, or where it calls what is traced", () => {
    expect(near("a: norm(x);", "b: norm(q);", "c: b(x);").traced).toEqual(["b", "c"]);
  });

  it("is needed where what is traced may call it", () => {
    expect(near("a: norm(x);", "b: a(q);", "c: norm(y);").needed).toEqual(["a", "b"]);
  });

  it("takes a forward for a call only behind this or self", () => {
    expect(near("forward:: norm(x);", "b: other.forward(q);", "c: this.forward(q);").near).toEqual([
      "c",
      "forward",
    ]);
  });

  it("takes a method for a call behind this and alone, a function alone", () => {
    expect(near("m::A norm(x);", "b: other.m(q);", "c: this.m(q);", "d: m(q);").near).toEqual([
      "c",
      "d",
      "m",
    ]);
    expect(near("f: norm(x);", "b: other.f(q);", "c: this.f(q);", "d: f(q);").near).toEqual(["d", "f"]);
  });

  it("takes a method for a call in its own class", () => {
    expect(near("m::A norm(x);", "b::A this.m(q);", "c::B this.m(q);").near).toEqual(["b", "m"]);
  });

  it("knows other names of this", () => {
    expect(near("m:: norm(x);", "b: const me = this; me.m(q);", "c: it.m(q);").near).toEqual(["b", "m"]);
  });

  it("is not where a vector is normalised", () => {
    expect(near("a: x.normalize();", "b: normalize(x);", "c: norm();").near).toEqual(["b", "c"]);
  });

  it.each([
    ["a class or what builds one", "RMSNorm(q);"],
    ["a norm that is made", "loadNorm(q);"],
    ["a value that is compared", "norm === q;"],
    ["a keyword argument", "f(rms_norm = q);"],
    ["an attribute of a norm", "norm.eps; q;"],
  ])("is not where only %s stands", (_, code) => {
    expect(near(`a: ${code}`).near).toEqual([]);
  });

  it.each([
    "rmsNorm\n(q)",
    "rmsNorm\n[q]",
    "rmsNorm<T>(q)",
    "rmsNorm!(q)",
    "rmsNorm?.(q)",
    "rmsNorm /* of q */ (q)",
    "run(rmsNorm, q)",
    "rmsNorm => q",
    "const f = rmsNorm;q",
    "run(this.qNorm.weight, x)",
    "QNorm(q)",
    'this.norms["q"](x)',
    "this.norms.q.forward(x)",
    "Norms?.q.forward(x)",
    "RMSNormFunction.apply(q, w)",
  ])("is where a norm may be called: %j", (code) => {
    expect(near(`a: ${code};`).traced).toEqual(["a"]);
  });

  it("takes what stands in prose for no code, but for a word about q", () => {
    const text = "a: norm(x) # of q, b: key";
    const pieces = [{ calledAs: "a", owner: undefined, ranges: [{ start: 0, end: text.length }] }];
    const without = (words: string) => [
      { start: text.indexOf(words), end: text.indexOf(words) + words.length },
    ];
    expect(nearCode(text, pieces, without("# of q")).traced.size).toBe(1);
    expect(nearCode(text, pieces, without("norm")).near.size).toBe(0);
    expect(nearCode(text, pieces, without("# of q, b: key")).traced.size).toBe(0);
  });

  it("takes only whole words for a call", () => {
    expect(near("run: norm(x);", "b: runs(q);", "c: rerun(q);", "d: $run(q);").near).toEqual(["run"]);
  });

  it("finds callers of many names as those of a few", () => {
    const many = Array.from({ length: 40 }, (_, i) => `#f${i}:: norm(x);`);
    expect(near(...many, "b: this.#f39(q);", "c: this.f39x(q);").traced).toEqual(["b"]);
  });
});
