import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runCommand } from "../src/command/command.ts";
import { ModelFolder, onlyQ, step } from "./model-folder.ts";

const models = new ModelFolder();

function given(source: string | Buffer, name: string, ...args: readonly string[]) {
  return runCommand(["--stdin", "--stdin-filename", join(models.path, name), ...args], {
    color: false,
    input: Readable.from([Buffer.from(source as string)]),
    ask: () => {},
    progress: undefined,
  });
}

describe("--stdin", () => {
  it("prints the whole result and nothing else, and touches no file", async () => {
    const { stdout, stderr, exitCode } = await given(step, "a.js");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^import \{ applyQkNorm \}.*\n\nclass Attention \{\n[\s\S]*= applyQkNorm\([\s\S]*\}\n$/,
    );
    expect(stderr).toMatch(/a\.js:5: replaced: Attention\.run: qNorm and kNorm/);
    expect(await models.names()).toEqual([]);
  });

  it.each([
    ["nothing to find", "const a = 1;\r\n\r\n"],
    ["a copy that is kept", onlyQ],
    ["a syntax error", `${step}}`],
    ["no text at all", ""],
    ["a byte order mark and no final newline", "\uFEFFconst a = 1;"],
  ])("gives back what it was given: %s", async (_, source) => {
    expect(await given(source, "a.js")).toMatchObject({ exitCode: 0, stdout: source });
  });

  it("reads classes where the name says that the file lies", async () => {
    await models.write(
      "norms.ts",
      `export class HeadNorm { forward(x: T) { return x.sub(x.mean()).mul(this.weight); } }\n`,
    );
    const source = `import { HeadNorm } from "./norms.ts";
class Attention {
  qNorm = new HeadNorm(); kNorm = new HeadNorm();
  run(q: T, k: T) {
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return [q, k];
  }
}
`;
    await models.write(
      "qknorm-codemod.json",
      '{ "profile": "p", "profiles": { "p": { "extends": "qknorm", "norms": ["plain-rms"] } } }',
    );
    const { stdout, stderr } = await given(source, "attention.ts");
    expect(stdout).toBe(source);
    expect(stderr).toContain("[layer-norm]");
  });

  it("tells by its exit code what the others tell", async () => {
    expect((await given(step, "a.js", "--check")).exitCode).toBe(1);
    expect((await given(onlyQ, "a.js", "--strict")).exitCode).toBe(3);
  });

  it("prints nothing that an editor could take for the result when the source cannot be read", async () => {
    expect(await given(Buffer.from([0x71, 0xff]), "a.js")).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("not read as code: not UTF-8"),
    });
    expect(await given(step, "a.txt")).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("is not the name of a source file"),
    });
  });
});
