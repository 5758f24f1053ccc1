import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { reasonCodes } from "../src/match/reasons.ts";
import { help } from "../src/options.ts";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

describe("every reason code", () => {
  it.each(reasonCodes)("has a section in the README: %s", (code) => {
    expect(read("../README.md")).toContain(`\n### ${code}\n`);
  });

  it("is in the schema of the report", () => {
    const schema = JSON.parse(read("../schema/report.schema.json"));
    expect(schema.$defs.finding.properties.reason.enum).toEqual([...reasonCodes]);
  });
});

describe("the help", () => {
  it.each(["--emit-helper", "--sarif", "--github", "--html", "--interactive", "--stdin", "--mark"])(
    "does not promise %s, which is not there",
    (flag) => {
      expect(help).not.toContain(flag);
    },
  );
});
