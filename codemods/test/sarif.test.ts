import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import AjvDraft04 from "ajv-draft-04";
import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step, twice } from "./model-folder.ts";

const models = new ModelFolder();

const schemaPath = "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json";
const schema = JSON.parse(readFileSync(createRequire(import.meta.url).resolve(schemaPath), "utf8"));
const Ajv = AjvDraft04 as unknown as typeof AjvDraft04.default;
const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);

interface Region {
  readonly startLine: number;
  readonly startColumn: number;
  readonly endLine: number;
  readonly endColumn: number;
}

interface Result {
  readonly ruleId: string;
  readonly ruleIndex: number;
  readonly level: string;
  readonly locations: readonly {
    readonly physicalLocation: { readonly artifactLocation: { readonly uri: string } };
  }[];
  readonly fixes?: readonly {
    readonly artifactChanges: readonly {
      readonly artifactLocation: { readonly uri: string };
      readonly replacements: readonly {
        readonly deletedRegion: Region;
        readonly insertedContent?: { readonly text: string };
      }[];
    }[];
  }[];
}

async function log(...args: readonly string[]): Promise<{
  results: readonly Result[];
  run: Record<string, unknown> & { tool: { driver: { rules: { id: string }[] } } };
}> {
  const { stdout } = await models.run(["--sarif", ...args]);
  const parsed = JSON.parse(stdout);
  validate(parsed);
  expect(validate.errors ?? []).toEqual([]);
  return { results: parsed.runs[0].results, run: parsed.runs[0] };
}

/** What a viewer does with a fix, written from the standard: regions are in the text before any replacement. */
function applyFix(text: string, { fixes }: Result, change = 0): string {
  const starts = [0];
  for (const end of text.matchAll(/\r\n|\n|\r/g)) starts.push(end.index + end[0].length);
  const offset = (line: number, column: number) => starts[line - 1]! + column - 1;
  const edits = fixes![0]!.artifactChanges[change]!.replacements.map(
    ({ deletedRegion: region, insertedContent }) => ({
      start: offset(region.startLine, region.startColumn),
      end: offset(region.endLine, region.endColumn),
      text: insertedContent?.text ?? "",
    }),
  );
  for (const { start, end, text: added } of edits.toReversed())
    text = text.slice(0, start) + added + text.slice(end);
  return text;
}

describe("--sarif", () => {
  it("is valid by the schema of the standard, whatever there is to say", async () => {
    expect((await log()).results).toEqual([]);
    await models.write("a.js", step);
    await models.write("b.js", onlyQ);
    await models.write("c.js", `// @generated\n${step}`);
    await models.write("d.js", `\0${step}`);
    await models.write("e.js", `${step}}`);
    const { results, run } = await log();
    expect(results.map(({ ruleId, level }) => `${level} ${ruleId}`)).toEqual([
      "warning qk-norm-copy",
      "note one-sided",
      "note generated-file",
      "note parse-error",
    ]);
    for (const { ruleId, ruleIndex } of results) expect(run.tool.driver.rules[ruleIndex]!.id).toBe(ruleId);
    expect(run.invocations).toMatchObject([
      { executionSuccessful: true, toolExecutionNotifications: [{ message: { text: "skipped: binary" } }] },
    ]);
  });

  it.each([
    ["plain", step],
    ["carriage returns and line feeds", step.replaceAll("\n", "\r\n")],
    ["carriage returns alone", step.replaceAll("\n", "\r")],
    ["no final newline", step.trimEnd()],
    ["the step at the very end, without a newline", `${step.trimEnd().replace(/\n {4}return[\s\S]*/, "}}")}`],
    ["a byte order mark", step],
    ["characters of two UTF-16 units", step.replaceAll("  run(x)", "  /* 😀 */ run(x)")],
  ])("has a fix that does what --write does: %s", async (name, text) => {
    const mark = name === "a byte order mark" ? "\uFEFF" : "";
    await models.write("a.js", mark + text);
    const [result] = (await log()).results;
    const fixed = applyFix(text, result!);
    await models.run(["--write"]);
    expect(mark + fixed).toBe(await models.read("a.js"));
  });

  it("has one fix for each copy, which stands alone", async () => {
    await models.write("a.js", twice);
    const { results } = await log();
    expect(results).toHaveLength(2);
    for (const result of results) {
      const fixed = applyFix(twice, result);
      expect(fixed.match(/= applyQkNorm\(/g)).toHaveLength(1);
      expect(fixed.match(/^import/gm)).toHaveLength(1);
    }
  });

  it.each([
    ["a new file", undefined],
    ["a file that is there", "export const other = 1;\n"],
  ])("has fixes that bring the helper of --emit-helper along, in %s", async (_, home) => {
    if (home !== undefined) await models.write("helper.js", home);
    await models.write("a.js", step);
    await models.write("b.js", step);
    const emit = ["--emit-helper", join(models.path, "helper.js")];
    const { results } = await log(...emit);
    const files = results.map(({ fixes }) =>
      fixes![0]!.artifactChanges.map(({ artifactLocation: { uri } }) => uri),
    );
    expect(files).toEqual([
      ["helper.js", "a.js"],
      ["helper.js", "b.js"],
    ]);
    const helper = applyFix(home ?? "", results[0]!, 0);
    expect(applyFix(home ?? "", results[1]!, 0)).toBe(helper);
    const fixed = applyFix(step, results[0]!, 1);
    await models.run(["--write", ...emit]);
    expect(helper).toBe(await models.read("helper.js"));
    expect(fixed).toBe(await models.read("a.js"));
  });

  it("has fixes that a second run goes on from, with the helper that the first one brought", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    const emit = ["--emit-helper", join(models.path, "helper.js")];
    const [first] = (await log(...emit)).results;
    await models.write("helper.js", applyFix("", first!, 0));
    await models.write("a.js", applyFix(step, first!, 1));
    const { results } = await log(...emit);
    expect(results).toHaveLength(1);
    expect(results[0]!.fixes![0]!.artifactChanges).toHaveLength(1);
  });

  it("names files from the repository, as a reference that any name fits in", async () => {
    await models.write("src/a b/größe#1.js", step);
    models.git("init", "-q");
    const [result] = (await log()).results;
    expect(result!.locations[0]!.physicalLocation.artifactLocation).toEqual({
      uri: "src/a%20b/gr%C3%B6%C3%9Fe%231.js",
      uriBaseId: "%SRCROOT%",
    });
  });
});
