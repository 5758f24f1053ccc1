import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();

describe("--github", () => {
  it("warns of what can be replaced, and notes what is kept or skipped", async () => {
    await models.write("src/a.js", step);
    await models.write("src/b.js", onlyQ);
    await models.write("src/c.js", `\0${step}`);
    models.git("init", "-q");
    const { stdout, exitCode } = await models.run(["--github", "--check"]);
    expect(exitCode).toBe(1);
    expect(stdout.trimEnd().split("\n")).toEqual([
      "::warning file=src/a.js,line=5,endLine=6,title=QK norm can be shared::Attention.run: qNorm and kNorm become one call of applyQkNorm",
      expect.stringMatching(
        /^::notice file=src\/b\.js,line=5,endLine=5,title=QK norm kept%3A one-sided::Attention\.run: /,
      ),
      "::notice file=src/c.js,title=Skipped::binary",
    ]);
  });

  it("lets no name end the command or begin another one", async () => {
    await models.write("a,b: 100%\n::error::c.js", step);
    const { stdout } = await models.run(["--github"]);
    expect(stdout).toMatch(/^::warning file=a%2Cb%3A 100%25%0A%3A%3Aerror%3A%3Ac\.js,line=5,[^\n]*\n$/);
  });
});
