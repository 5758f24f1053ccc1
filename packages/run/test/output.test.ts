import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { visible } from "../src/output/safe-text.ts";
import { chatCheckpoint, commandLine, sumsCheckpoint, withoutEnd } from "./run-command.ts";
import { ask } from "./run-here.ts";

describe("--json", () => {
  it("prints one object a line, with text, ids, why it ended and how long it took", async () => {
    const { stdout, code } = await ask(["--json", "--prompt", "20+22=", "9999+1=", "-n", "3"]);
    const [first, second, ...rest] = stdout
      .split("\n")
      .map((line) => (line === "" ? null : JSON.parse(line)));
    expect(first).toMatchObject({
      prompt: "20+22=",
      text: "42",
      ids: [52, 50],
      promptIds: [50, 48, 43, 50, 50, 61],
      finishReason: "stop",
      timings: {
        promptTokens: 6,
        newTokens: 2,
        prefillSeconds: expect.any(Number),
        decodeSeconds: expect.any(Number),
      },
    });
    expect(second).toMatchObject({ text: "100", finishReason: "length" });
    expect(rest).toEqual([null]);
    expect(code).toBe(0);
  });
});

describe("--quiet", () => {
  it("prints the answer alone, and nothing on stderr", async () => {
    expect(await ask(["--quiet", "--prompt", "20+22="])).toEqual({ code: 0, stdout: "42\n", stderr: "" });
  });
});

const scratch = mkdtempSync(join(tmpdir(), "qknorm-output-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("a closed pipe", () => {
  it.each(["run", "logits"] as const)("ends %s at once, quietly, with exit code 0", async (command) => {
    const endless = withoutEnd(chatCheckpoint(join(scratch, command), "{{ messages[0].content }}"));
    const args =
      command === "run"
        ? ["--model", endless, "--kernels", "typescript", "--prompt", ...new Array<string>(50).fill("1+1=")]
        : ["--model", sumsCheckpoint, "--ids", new Array<string>(200).fill("49").join()];
    const child = spawn(...commandLine(command, args), { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.stdout.destroy();
    const closed = performance.now();
    const code = await new Promise((resolve) => child.on("exit", resolve));
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/error|at /i);
    expect(performance.now() - closed).toBeLessThan(2000);
  });
});

it.runIf(existsSync("/dev/full"))("says in one sentence that the output cannot be written", async () => {
  const child = spawn(...commandLine("run", ["--model", sumsCheckpoint, "-p", "1+1="]), {
    stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
  });
  let stderr = "";
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(1);
  expect(stderr).toBe("error: the output cannot be written (ENOSPC)\n");
});

describe("text for a terminal", () => {
  it.each([
    ["\x1b[31mred\x1b[0m", "␛[31mred␛[0m"],
    ["over\rwritten\x08\x07\x00", "over␍written␈␇␀"],
    ["\x7f\x9b31m\u202eabc", "␡<U+009B>31m<U+202E>abc"],
    ["a line\r\nand\tanother\n", "a line\nand\tanother\n"],
    ["é 你好 👩‍👩‍👧", "é 你好 👩‍👩‍👧"],
  ])("shows the control characters of %j", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });
});
