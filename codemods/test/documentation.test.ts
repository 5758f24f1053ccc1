import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { help } from "../src/command/help.ts";
import { flags } from "../src/command/options.ts";
import { reasonCodes } from "../src/match/reasons.ts";

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

describe("the README", () => {
  it("shows lines of the report that the command prints", async () => {
    const [, block] = /npm run --silent codemod -- examples\/model-repo\n([\s\S]*?)\n## /.exec(
      read("../README.md"),
    )!;
    const { stdout } = await runCommand([
      fileURLToPath(new URL("../../examples/model-repo", import.meta.url)),
    ]);
    const printed = stdout.split("\n").map((line) => line.trim());
    const shown = block!.split("\n").map((line) => line.trim());
    for (const line of shown.filter((one) => one !== "...")) {
      expect(
        printed.some((one) => one === line || one.endsWith(`/${line}`)),
        line,
      ).toBe(true);
    }
  });
});
