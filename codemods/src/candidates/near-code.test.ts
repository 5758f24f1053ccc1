import { describe, expect, it } from "vitest";
import { type CodePiece, nearCode } from "./near-code.ts";

/** Pieces that are called by the first word of each part. */
function near(...parts: readonly string[]) {
  let start = 0;
  const pieces = parts.map((part): CodePiece => {
    const range = { start, end: start + part.length };
    start = range.end;
    return { calledAs: /^[\w#$]+/.exec(part)?.[0], ranges: [range] };
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
    expect(near("forward: norm(x);", "b: other.forward(q);", "c: this.forward(q);").near).toEqual([
      "c",
      "forward",
    ]);
  });

  it("takes only whole words for a call", () => {
    expect(near("run: norm(x);", "b: runs(q);", "c: rerun(q);", "d: $run(q);").near).toEqual(["run"]);
  });

  it("finds callers of many names as those of a few", () => {
    const many = Array.from({ length: 40 }, (_, i) => `#f${i}: norm(x);`);
    expect(near(...many, "b: x.#f39(q);", "c: x.f39x(q);").traced).toEqual(["b"]);
  });
});
