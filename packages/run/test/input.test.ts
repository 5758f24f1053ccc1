import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askOutside, chatCheckpoint } from "./run-command.ts";
import { ask, runHere } from "./run-here.ts";

const scratch = mkdtempSync(join(tmpdir(), "qknorm-run-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

describe("prompts come", () => {
  it("from stdin, when something is piped in and nothing else is asked, less one line end", async () => {
    expect(askOutside(["-q"], { input: "20+22=\n" }).stdout).toBe("42\n");
    expect(askOutside([], { input: "20+22=" }).stdout).toBe("> 20+22=\n42\n");
  });

  it("from stdin where a prompt is -, among others", async () => {
    const { stdout } = await ask(["-q", "--prompt", "1+1=", "-", "3+3="], "20+22=\n");
    expect(stdout).toBe("2\n42\n6\n");
  });

  it("from files", async () => {
    const files = [file("a.txt", "20+22=\n"), file("b.txt", "1+1=")];
    expect((await ask(["-q", "--prompt-file", ...files])).stdout).toBe("42\n2\n");
  });

  it("as raw token ids", async () => {
    const ids = [...new TextEncoder().encode("20+22=")].join();
    expect((await ask(["-q", "--ids", ids])).stdout).toBe("42\n");
  });

  it("not from a file that is not UTF-8, nor from an empty stdin", async () => {
    const { stderr } = await ask(["--prompt-file", file("bytes", Uint8Array.of(0xff, 0xfe))]);
    expect(stderr).toMatch(/bytes is not UTF-8/);
    expect(askOutside([], { input: "" })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("give a prompt"),
    });
  });
});

describe("a model with a chat template", () => {
  let folder: string;
  beforeAll(() => {
    // Writes out what it was given, and ends with a sum.
    const template =
      "{{ bos_token }}{%- for m in messages %}{{ m.role[0] }}{% endfor %}{{ tools|tojson if tools }}{{ messages[-1].content }}";
    folder = chatCheckpoint(join(scratch, "chat"), template);
  });

  async function promptOf(...args: string[]): Promise<string> {
    const { stdout } = await runHere("run", ["--model", folder, "--json", "-n", "1", ...args]);
    const { promptIds } = JSON.parse(stdout) as { promptIds: number[] };
    return String.fromCharCode(...promptIds.filter((id) => id < 256));
  }

  it("hears the system's message before the user's", async () => {
    expect(await promptOf("--prompt", "1+1=")).toBe("u1+1=");
    expect(await promptOf("--prompt", "1+1=", "--system", "add")).toBe("su1+1=");
  });

  it("continues the prompt as it is with --no-chat", async () => {
    expect(await promptOf("--prompt", "1+1=", "--no-chat")).toBe("1+1=");
  });

  it("answers a conversation from a file, with tools whose numbers are printed as they were written", async () => {
    const roles = ["user", "assistant", "user"];
    const messages = file("messages.json", JSON.stringify(roles.map((role) => ({ role, content: "2+2=" }))));
    const tools = file("tools.json", '[{"default": 1.0, "most": 1}]');
    expect(await promptOf("--messages", messages)).toBe("uau2+2=");
    expect(await promptOf("--messages", messages, "--tools", tools)).toBe(
      'uau[{"default": 1.0, "most": 1}]2+2=',
    );
  });

  it("says which file is not JSON", async () => {
    const { stderr, code } = await runHere("run", ["-m", folder, "--messages", file("broken.json", "[{")]);
    expect(stderr).toMatch(/^error: .*broken\.json is not valid JSON/);
    expect(code).toBe(1);
  });
});

describe("the begin-of-text token of a post-processor", () => {
  it("is put before a raw prompt", async () => {
    const folder = chatCheckpoint(join(scratch, "bos"), "");
    for (const name of ["chat_template.jinja", "tokenizer_config.json"])
      rmSync(join(folder, name), { force: true });
    const vocab = Object.fromEntries([..."0123456789+="].map((char, i) => [char, i]));
    const bos = { id: "<s>", ids: [12], tokens: ["<s>"] };
    const tokenizer = {
      model: { type: "BPE", vocab, merges: [] },
      added_tokens: [{ id: 12, content: "<s>", special: true }],
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: { "<s>": bos },
      },
    };
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
    const { stdout } = await runHere("run", ["-m", folder, "--json", "-n", "1", "-p", "1+2="]);
    expect((JSON.parse(stdout) as { promptIds: number[] }).promptIds).toEqual([12, 1, 10, 2, 11]);
  });
});
