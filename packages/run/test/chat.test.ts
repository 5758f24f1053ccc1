import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chatCheckpoint, type Run, runCommand } from "./run-command.ts";
import { ask, runHere } from "./run-here.ts";

const scratch = mkdtempSync(join(tmpdir(), "qknorm-chat-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("a conversation", () => {
  let folder: string;
  beforeAll(() => {
    // The sum of all turns' numbers so far: each answer is part of the next prompt.
    folder = chatCheckpoint(
      join(scratch, "chat"),
      "{% for m in messages %}{{ m.content }}{% if m.role != 'user' %}{{ '+' if not loop.last }}{% endif %}{% endfor %}",
    );
  });

  function talk(lines: readonly string[], ...args: string[]): Promise<Run> {
    return runHere("run", ["--model", folder, "--interactive", ...args], `${lines.join("\n")}\n`);
  }

  function prompts({ stdout }: Run): string[] {
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { promptIds: number[] });
    return answers.map(({ promptIds }) => String.fromCharCode(...promptIds));
  }

  it("keeps what was said, with the answers, until /clear", async () => {
    const run = await talk(["1+2=", "4=", "/clear", "5+6="], "--json");
    expect(prompts(run)).toEqual(["1+2=", "1+2=3+4=", "5+6="]);
    expect(run.code).toBe(0);
  });

  it("begins with the system's message, also after /clear", async () => {
    expect(prompts(await talk(["2=", "/clear", "3="], "--json", "--system", "1"))).toEqual(["1+2=", "1+3="]);
  });

  it("ends at /exit, and at the end of the input", async () => {
    const outside = runCommand("run", ["--model", folder, "-i", "-q"], { input: "1+2=\n/exit\n5+6=\n" });
    expect(outside).toEqual({ code: 0, stdout: "3\n", stderr: "" });
    expect(await talk(["1+2="], "-q")).toEqual(outside);
  });

  it("explains its commands and knows no others; // says a line that begins with /", async () => {
    const run = await talk(["/help", "/nothing", "//clear=", ""], "--json");
    expect(run.stderr).toMatch(/\/clear +forgets.*\n\/exit/);
    expect(run.stderr).toContain("there is no /nothing");
    expect(prompts(run)).toEqual(["/clear="]);
  });

  it("goes on after a line that cannot be answered, which it forgets", async () => {
    const run = await talk(["1+2=", "+1".repeat(150), "4="], "--json");
    expect(run.stderr).toMatch(
      /error: the prompt has 30\d tokens; the model's context is 256; \/clear begins a new/,
    );
    expect(prompts(run)).toEqual(["1+2=", "1+2=3+4="]);
    expect(run.code).toBe(0);
  });

  it("says on stderr what ran, how fast, and nothing of it with --quiet", async () => {
    const { stdout, stderr } = await talk(["1+2="]);
    expect(stdout).toBe("3\n");
    expect(stderr).toMatch(/^qwen3 in bf16 .*\n\/help says.*\n4 tokens in, 1 out: prefill/);
  });

  it("continues each line by itself with a model that has no template", async () => {
    const { stdout, stderr } = await ask(["-i"], "1+2=\n20+22=\n");
    expect(stdout).toBe("3\n42\n");
    expect(stderr).toContain("no chat template: each line is continued by itself");
  });

  it("goes on when the template refuses a turn", async () => {
    const picky = chatCheckpoint(
      join(scratch, "picky"),
      "{% if 'x' in messages[-1].content %}{{ raise_exception('no x') }}{% endif %}{{ messages[-1].content }}",
    );
    writeFileSync(join(picky, "generation_config.json"), '{"eos_token_id": 256}');
    const run = await runHere("run", ["-m", picky, "-i"], "x\n1+2=\n");
    expect(run.stderr).toContain("error: the chat template refused the conversation: no x\n");
    expect(run.stdout).toBe("3\n");
  });
});
