import { describe, expect, it } from "vitest";
import { ModelFolder, step } from "../../test/model-folder.ts";
import { processTerminal } from "../formats/terminal.ts";
import { describeProgress, ProgressLine } from "./progress.ts";

const models = new ModelFolder();

describe("progress", () => {
  it("gives the speed and the time that is left", () => {
    expect(describeProgress({ done: 1200, total: 10_000 }, 1000)).toBe(
      "1,200 of 10,000 files, 1,200 files/s, 8 s left",
    );
    expect(describeProgress({ done: 100, total: 100_000 }, 1000)).toMatch(/, 17 min left$/);
  });

  it("is drawn ten times a second at most, and wiped away at the end", () => {
    let time = 0;
    const shown: string[] = [];
    const line = new ProgressLine(
      (text) => shown.push(text),
      () => time,
    );
    for (time = 0; time <= 1000; time += 10) line.update({ done: time, total: 1000 });
    line.end();
    expect(shown).toHaveLength(10);
    expect(shown.slice(0, -1).every((text) => text.startsWith("\r\u001B[K"))).toBe(true);
    expect(shown.at(-1)).toBe("\r\u001B[K");
  });

  it("is nowhere to be seen in a run that is over at once", () => {
    const shown: string[] = [];
    const line = new ProgressLine(
      (text) => shown.push(text),
      () => 0,
    );
    line.update({ done: 1, total: 1 });
    line.end();
    expect(shown).toEqual([]);
  });

  it("counts every file of a run", async () => {
    for (const name of ["a.js", "b.js", "c.ts"]) await models.write(name, step);
    const shown: string[] = [];
    const clock = performance.now;
    let time = 0;
    performance.now = () => (time += 200);
    try {
      await models.run([], { progress: (text) => shown.push(text) });
    } finally {
      performance.now = clock;
    }
    expect(shown.join("")).toMatch(/2 of 3 files/);
  });
});

describe("the terminal of a process", () => {
  const terminal = (isTTY: boolean, env: NodeJS.ProcessEnv) => {
    const stream = { isTTY, write: () => true };
    return processTerminal({ stdin: process.stdin, stdout: stream, stderr: stream, env } as never);
  };

  it.each([
    ["on a terminal", true, {}, true],
    ["in a pipe", false, {}, false],
    ["in CI", true, { CI: "true" }, false],
    ["on a dumb terminal", true, { TERM: "dumb" }, false],
  ])("shows progress %s: %s", (_, isTTY, env, shown) => {
    expect(terminal(isTTY, env).progress !== undefined).toBe(shown);
  });

  it.each([
    ["a terminal", true, {}, true],
    ["a pipe", false, {}, false],
    ["a terminal with NO_COLOR", true, { NO_COLOR: "1" }, false],
    ["a terminal with an empty NO_COLOR", true, { NO_COLOR: "" }, true],
    ["a pipe with FORCE_COLOR", false, { FORCE_COLOR: "1" }, true],
    ["a terminal with FORCE_COLOR=0", true, { FORCE_COLOR: "0" }, false],
    ["both at once", true, { NO_COLOR: "1", FORCE_COLOR: "1" }, false],
    ["a dumb terminal", true, { TERM: "dumb" }, false],
  ])("paints on %s: %s", (_, isTTY, env, painted) => {
    expect(terminal(isTTY, env).color).toBe(painted);
  });

  it("gets a diff in colours", async () => {
    await models.write("a.js", step);
    const { stdout } = await models.run([], { color: true });
    expect(stdout).toContain("\u001B[32m+    [q, k] = applyQkNorm(");
    expect(stdout).toContain("\u001B[31m-    q = this.qNorm");
  });
});
