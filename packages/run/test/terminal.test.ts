import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { chatCheckpoint, commandLine, withoutEnd } from "./run-command.ts";

const scratch = mkdtempSync(join(tmpdir(), "qknorm-terminal-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** util-linux's `script` runs a command in a terminal of its own. */
const hasTerminal = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux");

/** Somebody at a terminal: types, and waits for what appears. */
class Typist {
  /** What appeared, as it came. */
  raw = "";
  /** The same without moves of the cursor, and one line end for each. */
  shown = "";
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(args: readonly string[]) {
    const [node, rest] = commandLine("run", args);
    // `exec`: a shell that waits would take Ctrl-C as its own, and end with 130.
    const line = `exec ${[node, ...rest].map((word) => `'${word}'`).join(" ")}`;
    this.#child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
      env: { ...process.env, NO_COLOR: "1", TERM: "xterm" },
    });
    this.#child.stdout.on("data", (chunk) => {
      this.raw += chunk;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
      this.shown = (this.shown + chunk).replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replaceAll(/\r+\n/g, "\n");
    });
    this.exited = new Promise((resolve) => this.#child.on("exit", resolve));
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Waits until it is shown, and forgets all up to it. */
  async see(what: RegExp): Promise<string> {
    for (let waited = 0; waited < 20_000; waited += 20) {
      const found = what.exec(this.shown);
      if (found !== null) {
        this.shown = this.shown.slice(found.index + found[0].length);
        return found[0];
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`never saw ${String(what)} in ${JSON.stringify(this.shown)}`);
  }
}

const ctrlC = "\x03";
const ctrlD = "\x04";
const up = "\x1b[A";

describe.runIf(hasTerminal)("at a terminal", () => {
  const template = "{% for m in messages %}{{ m.content if m.role == 'user' }}{% endfor %}";

  it("a conversation begins, remembers lines, hears all that is pasted, and ends at Ctrl-D", async () => {
    const typist = new Typist(["--model", chatCheckpoint(join(scratch, "a"), "{{ messages[-1].content }}")]);
    await typist.see(/> /);
    typist.type("20+22=\r");
    await typist.see(/\n42\n/);
    await typist.see(/> $/);
    typist.type(`half a line${ctrlC}`);
    await typist.see(/half a line\n/);
    typist.type(`${up}\r`);
    await typist.see(/20\+22=\n42\n/);
    await typist.see(/> $/);
    typist.type("1+1=\r2+3=\r4+");
    // The answer stands where the line that was begun was cleared.
    await typist.see(/4\+2\n/);
    await typist.see(/\n5\n/);
    await typist.see(/> 4\+$/);
    typist.type("4=\r");
    await typist.see(/\n8\n/);
    await typist.see(/> $/);
    typist.type(ctrlC);
    await typist.see(/Ctrl-D ends/);
    typist.type(ctrlD);
    expect(await typist.exited).toBe(0);
  });

  it("Ctrl-C stops an answer and keeps the conversation", async () => {
    const folder = withoutEnd(chatCheckpoint(join(scratch, "b"), template));
    // On slow kernels it would go on for ten seconds and more.
    const args = ["--kernels", "typescript"];
    const typist = new Typist(["--model", folder, ...args]);
    await typist.see(/> /);
    typist.type("1+1=\r");
    await typist.see(/1\+1=\n./);
    typist.type(ctrlC);
    await typist.see(/; interrupted/);
    await typist.see(/> $/);
    typist.type("2+2=\r");
    await typist.see(/2\+2=\n./);
    typist.type(ctrlC);
    // Both turns: 8 tokens.
    await typist.see(/8 tokens in, \d+ out.*; interrupted/);
    await typist.see(/> $/);
    typist.type("/exit\r");
    expect(await typist.exited).toBe(0);
  });

  it("no control character of the model's reaches it", async () => {
    const folder = chatCheckpoint(join(scratch, "c"), template);
    // What was a 2 is the byte that begins an escape sequence.
    const path = join(folder, "tokenizer.json");
    const tokenizer = JSON.parse(readFileSync(path, "utf8"));
    tokenizer.model.vocab["\u011b"] = 50;
    tokenizer.model.vocab["2"] = 27;
    writeFileSync(path, JSON.stringify(tokenizer));
    const typist = new Typist(["--model", folder, "--prompt", "1+1="]);
    await typist.exited;
    const answer = typist.raw.slice(0, typist.raw.indexOf("tokens in"));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
    expect(answer.replaceAll("\r\n", "\n")).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    expect(answer).toContain("\u241b");
  });
});
