import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ModelFolder, onlyQ, step, twice } from "./model-folder.ts";

const models = new ModelFolder();
const root = fileURLToPath(new URL("../../", import.meta.url));

const interactive = (input: string) => models.run(["--interactive"], { input });
const callsIn = async (path: string) => (await models.read(path)).split("= applyQkNorm(").length - 1;

describe("--interactive", () => {
  it("shows each change and writes those that were accepted", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    await models.write("c.js", onlyQ);
    const { asked, stdout, exitCode } = await interactive("y\nn\n");
    expect(exitCode).toBe(0);
    expect(asked).toContain(`${models.path}/a.js:5  Attention.run  (1 of 2)`);
    expect(asked).toContain("+    [q, k] = applyQkNorm(");
    expect(asked).toContain("Replace this copy? [y/n/a/q/?] ");
    expect(stdout).toContain("1 copy replaced, 1 kept");
    expect([await callsIn("a.js"), await models.read("b.js")]).toEqual([1, step]);
  });

  it("takes one of two copies of a file, with the import that it needs", async () => {
    await models.write("a.js", twice);
    const { asked } = await interactive("n\ny\n");
    const [first, second] = asked.split("Replace this copy?");
    expect(first).toContain("a.js:5");
    expect(second).not.toContain("a.js:5");
    const text = await models.read("a.js");
    expect(text).toMatch(/^import \{ applyQkNorm \} from "@qknorm\/core";\n/);
    expect(text.slice(text.indexOf("class CrossAttention"))).toContain("= applyQkNorm(");
    expect(await callsIn("a.js")).toBe(1);
  });

  it.each([
    ["a takes this one and all that follow", "n\na\n", [0, 1, 1]],
    ["q leaves this one and all that follow", "y\nq\n", [1, 0, 0]],
    ["the end of the input is q", "y\n", [1, 0, 0]],
    ["nothing is accepted without a word", "", [0, 0, 0]],
  ])("%s", async (_, input, calls) => {
    const names = ["a.js", "b.js", "c.js"];
    for (const name of names) await models.write(name, step);
    expect((await interactive(input)).exitCode).toBe(0);
    expect(await Promise.all(names.map(callsIn))).toEqual(calls);
  });

  it("explains the answers and asks again after any other", async () => {
    await models.write("a.js", step);
    const { asked } = await interactive("what\nY\n");
    expect(asked).toContain("n  leave it\n");
    expect(asked.split("Replace this copy?")).toHaveLength(3);
    expect(await callsIn("a.js")).toBe(1);
  });

  it("writes nothing when it is interrupted, not even what was accepted", async () => {
    await models.write("a.js", step);
    await models.write("b.js", step);
    const tool = spawn(
      process.execPath,
      ["--conditions=@qknorm/source", "--import", "tsx", "codemods/src/cli.ts", "--interactive", models.path],
      { cwd: root },
    );
    let errors = "";
    tool.stderr.on("data", (data) => {
      errors += data;
    });
    let questions = 0;
    tool.stdout.on("data", (data) => {
      questions += String(data).split("Replace this copy?").length - 1;
      if (questions === 1) tool.stdin.write("y\n");
      if (questions === 2) tool.kill("SIGINT");
    });
    const [exitCode] = await once(tool, "close");
    expect([exitCode, errors]).toEqual([2, "qknorm-codemod: interrupted; nothing was written\n"]);
    expect([await models.read("a.js"), await models.read("b.js")]).toEqual([step, step]);
    expect(await models.names()).toEqual(["a.js", "b.js"]);
  });
});
