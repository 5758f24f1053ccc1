import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mutationsOf } from "./mutants/mutations.mjs";
import { page, pagePath } from "./mutants/page.mjs";

test("the page of planted faults says what the recorded reports have", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(page());
});

describe("a fault", () => {
  const planted = (name, text) =>
    mutationsOf(name, text).map((one) => text.slice(0, one.at) + one.text + text.slice(one.at + one.length));

  test("of TypeScript is one slip at one place, and none in types or texts", () => {
    expect(planted("a.ts", 'if (a < 2) run("1 < 2" as 3);')).toEqual([
      'if (false) run("1 < 2" as 3);',
      'if (a <= 2) run("1 < 2" as 3);',
      'if (a < (2 + 1)) run("1 < 2" as 3);',
      "if (a < 2) ;",
    ]);
  });

  test("of C++ and CUDA is none in comments, texts, directives or what only the compiler reads", () => {
    const text = '#if N < 2\nint a = b < c ? 1 : x; // 3 < 4\nstatic_assert(1 ==\n 2);\nsay("5 < 6");\n';
    for (const name of ["a.cc", "a.h", "a.cu", "a.cuh"]) {
      expect(planted(name, text)).toEqual([
        text.replace("b < c", "b <= c"),
        text.replace("? 1", "? (1 + 1)"),
      ]);
    }
  });

  test("of TypeScript names the expression that a probe may stand around", () => {
    const text = "const x = a && !b;";
    expect(mutationsOf("a.ts", text).map(({ probe: { at, length } }) => text.slice(at, at + length))).toEqual(
      ["a && !b", "!b"],
    );
  });
});
