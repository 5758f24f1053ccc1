import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ModelFolder, step } from "../../test/model-folder.ts";
import { fileFilter } from "./file-filter.ts";
import { listSourceFiles } from "./source-files.ts";

const models = new ModelFolder();

const files = [
  "a.js",
  "b.test.js",
  "Out/a.js",
  "out/a.js",
  "out/deep/b.js",
  "src/out/a.js",
  "src/a.js",
  "src/keep.gen.js",
  "src/a.gen.js",
  "src/nested/a.gen.js",
  "src/nested/b.js",
  "src/nested/deep/b.js",
  "src/#odd.js",
  "src/!odd.js",
  "src/with space.js",
  "lib/build/a.js",
  "lib/build/keep.js",
  "lib/x/y/z/a.js",
  "lib/a1.js",
  "lib/b1.js",
  "größe/模型.js",
];

const rules: Readonly<Record<string, string>> = {
  ".gitignore": [
    "# a comment",
    "/out/",
    "*.gen.js",
    "!keep.gen.js",
    "build/",
    "!build/keep.js", // in vain: the folder itself is out
    "**/z",
    "lib/[a]1.js",
    "\\#odd.js",
    "\\!odd.js",
    "with space.js   ",
    "größe",
    "",
  ].join("\n"),
  "src/.gitignore": "/a.js\nb.js\n!a.gen.js\n",
  "src/nested/.gitignore": "!b.js\n/deep\n*.gen.js\r\n",
};

async function listed(...flags: { include?: readonly string[]; exclude?: readonly string[] }[]) {
  const options = Object.assign({ include: [], exclude: [], since: undefined }, ...flags);
  const listing = await listSourceFiles([models.path], fileFilter({ ...options, paths: [models.path] }));
  return listing.files.map(({ path }) => path.slice(models.path.length + 1));
}

async function writeAll(texts: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const file of files) await models.write(file, step);
  for (const [path, text] of Object.entries(texts)) await models.write(path, text);
}

describe(".gitignore files", () => {
  it("mean outside of a repository what they mean in one", async () => {
    await writeAll(rules);
    const outside = await listed();
    models.git("init", "-q");
    const untracked = models.git("ls-files", "--others", "--exclude-standard", "-z").split("\0");
    const wanted = untracked.filter((path) => path.endsWith(".js")).sort();
    expect(outside).toEqual(wanted);
    expect(await listed()).toEqual(wanted);
    expect(outside.length).toBeGreaterThan(5);
    expect(outside.length).toBeLessThan(files.length - 5);
  });

  it("do not hide a file that is tracked all the same, or that was named", async () => {
    await writeAll({ ".gitignore": "out/\n" });
    models.git("init", "-q");
    models.git("add", "-f", "out/a.js");
    expect(await listed()).toContain("out/a.js");
    expect(await listed()).not.toContain("out/deep/b.js");
    const named = join(models.path, "out/deep/b.js");
    const options = { include: [], exclude: [], since: undefined };
    expect((await listSourceFiles([named], fileFilter({ ...options, paths: [named] }))).files).toHaveLength(
      1,
    );
  });

  it("count in a repository inside another one by its own rules", async () => {
    await writeAll({ ".gitignore": "a.js\n", "src/.gitignore": "b.js\n" });
    models.git("init", "-q");
    models.git("init", "-q", "src");
    const found = await listed();
    expect(found).toContain("src/a.js");
    expect(found).not.toContain("a.js");
    expect(found).not.toContain("src/nested/b.js");
  });

  it("are read as they are when git cannot be asked", async () => {
    await writeAll({ ".gitignore": "out/\n", ".git": "gitdir: nowhere\n" });
    expect(await listed()).not.toContain("out/a.js");
    await rm(join(models.path, ".gitignore"));
    expect(await listed()).toContain("out/a.js");
  });
});

describe("--include and --exclude", () => {
  it("take globs that are relative to the path that was named", async () => {
    await writeAll();
    expect(await listed({ include: ["src/nested/**"] })).toEqual([
      "src/nested/a.gen.js",
      "src/nested/b.js",
      "src/nested/deep/b.js",
    ]);
    expect(await listed({ include: ["*.gen.js"], exclude: ["nested/"] })).toEqual([
      "src/a.gen.js",
      "src/keep.gen.js",
    ]);
  });

  it("take exceptions, and tell upper from lower case", async () => {
    await writeAll();
    expect(await listed({ include: ["out/*", "!out/a.js", "Out/a.js"] })).toEqual([
      "Out/a.js",
      "out/deep/b.js",
    ]);
  });
});
