import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KnownPaths } from "./known-paths.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qknorm-paths-"));
  mkdirSync(join(folder, "layers", "folder.py"), { recursive: true });
  writeFileSync(join(folder, "layers", "norm.py"), "");
  writeFileSync(join(folder, "layers", "LICENSE"), "");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("KnownPaths", () => {
  it.each([
    ["layers/norm.py", true],
    ["layers/rope.py", false],
    ["layers/folder.py", false],
    ["layers/LICENSE", false],
    ["models/norm.py", false],
    ["models/qwen3/norm.py", false],
    ["layers/norm.py/norm.py", false],
    ["layers/../layers/norm.py", true],
  ])("says of %s that it is a file: %s", (path, isFile) => {
    const known = new KnownPaths();
    for (const time of ["first", "again"]) expect(known.isFile(join(folder, path)), time).toBe(isFile);
  });

  it("goes by the disk as it was when it was asked first", () => {
    const known = new KnownPaths();
    const path = join(folder, "later", "norm.py");
    expect(known.isFile(path)).toBe(false);
    mkdirSync(join(folder, "later"));
    writeFileSync(path, "");
    expect(known.isFile(path)).toBe(false);
  });
});
