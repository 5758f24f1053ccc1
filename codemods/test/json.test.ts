import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();
const schema = JSON.parse(readFileSync(new URL("../schema/report.schema.json", import.meta.url), "utf8"));
const validate = new Ajv2020({ allErrors: true }).compile(schema);

describe("--json", () => {
  it.each([["--write"], ["--check"], ["--strict"]])(
    "is what the published schema says, and nothing more, with %s",
    async (flag) => {
      await models.write("a.js", step);
      await models.write("b.js", onlyQ);
      await models.write("c.js", `// @generated\n${step}`);
      await models.write("d.js", `\0${step}`);
      await models.write("e.js", `${step}}`);
      await models.write("f.py", "q = 1\n");
      const { stdout } = await models.run(["--json", flag]);
      const report = JSON.parse(stdout);
      validate(report);
      expect(validate.errors ?? []).toEqual([]);
      expect(Object.keys(report)).toEqual(["version", "summary", "files"]);
      expect(Object.keys(report.summary)).toEqual([
        "files",
        "candidates",
        "replaced",
        "refused",
        "errors",
        "ms",
      ]);
      expect(report.summary).toMatchObject({ files: 5, replaced: 1, refused: 3, errors: 0 });
      expect(Object.keys(report.files[0].findings[0])).toEqual([
        "line",
        "endLine",
        "kind",
        "symbol",
        "message",
      ]);
      expect(Object.keys(report.files[1].findings[0])).toEqual([
        "line",
        "endLine",
        "kind",
        "reason",
        "symbol",
        "message",
      ]);
    },
  );
});
