import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { help } from "../src/help.ts";
import { reasonCodes } from "../src/match/reasons.ts";
import { flags } from "../src/options.ts";

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

describe("every flag", () => {
  it.each(Object.keys(flags))("is in the help: --%s", (name) => {
    expect(help).toContain(`--${name}`);
  });

  it.each(Object.keys(flags))("is in the README: --%s", (name) => {
    expect(read("../README.md")).toContain(`--${name}`);
  });

  it("that the help names exists", () => {
    for (const [, name] of help.matchAll(/--([a-z-]+)/g)) expect(Object.keys(flags)).toContain(name);
  });
});
