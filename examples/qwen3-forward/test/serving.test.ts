import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");

it("docs/serving.md shows an example that runs and prints what it says", async () => {
  const [, code = ""] =
    /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs/serving.md"), "utf8")) ?? [];
  const [, printed] = /\n\/\/ (.*)\n/.exec(code) ?? [];
  // Beside a package that has the others, so that their names resolve.
  const folder = mkdtempSync(join(import.meta.dirname, "../.serving-"));
  try {
    const file = join(folder, "example.ts");
    // A test may not print: what the example prints, it exports.
    const exporting = code.replace("console.log(", "export const shown = (");
    writeFileSync(file, exporting.replace('"checkpoints/', `"${root}/checkpoints/`));
    const { shown } = await import(pathToFileURL(file).href);
    expect(inspect(shown)).toBe(printed);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
