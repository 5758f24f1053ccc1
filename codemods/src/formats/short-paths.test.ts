import { describe, expect, it } from "vitest";
import { sharedFolder, sharedName } from "./short-paths.ts";

describe("the folder of paths", () => {
  it.each([
    [["a/b/c.ts", "a/b/d/e.ts"], "a/b/"],
    [["a/bc.ts", "a/bd.ts"], "a/"],
    [["a.ts", "b/c.ts"], ""],
    [["a/b/c.ts"], "a/b/"],
    [[], ""],
  ])("of %j is %j", (paths, folder) => {
    expect(sharedFolder(paths)).toBe(folder);
  });
});

describe("the name of files", () => {
  it.each([
    [["x/modular_a.py", "y/modular_b.py"], "modular_*.py"],
    [["x/modular_a.py", "y/modular_a.py"], "modular_a.py"],
    [["x/modular_a.py", "y/modular_b.ts"], undefined],
    [["x/a.py", "y/b.py"], undefined],
    [[], undefined],
  ])("of %j is %j", (paths, name) => {
    expect(sharedName(paths)).toBe(name);
  });
});
