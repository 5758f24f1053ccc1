import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { askOutside, sumsCheckpoint } from "./run-command.ts";
import { ask, runHere } from "./run-here.ts";

const scratch = mkdtempSync(join(tmpdir(), "qknorm-run-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let copies = 0;

/** A copy of the checkpoint with something changed. */
function broken(change: (folder: string) => void): string {
  const folder = join(scratch, String(copies++));
  cpSync(sumsCheckpoint, folder, { recursive: true });
  change(folder);
  return folder;
}

function editJson(file: string, change: (json: Record<string, unknown>) => void): (folder: string) => void {
  return (folder) => {
    const path = join(folder, file);
    const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    change(json);
    writeFileSync(path, JSON.stringify(json));
  };
}

function editConfig(fields: Record<string, unknown>): (folder: string) => void {
  return editJson("config.json", (config) => Object.assign(config, fields));
}

describe("bad input gets one clear sentence and exit code 1", () => {
  it.each([
    ["a missing folder", () => join(scratch, "nowhere"), /no such folder/],
    ["an unknown family", () => broken(editConfig({ model_type: "bert" })), /"bert".*supported: .*qwen3/],
    ["a file for a folder", () => join(sumsCheckpoint, "config.json"), /is not a folder/],
    ["no config.json", () => broken((f) => rmSync(join(f, "config.json"))), /config\.json/],
    ["no weights", () => broken((f) => rmSync(join(f, "model.safetensors"))), /model\.safetensors/],
    ["no tokenizer", () => broken((f) => rmSync(join(f, "tokenizer.json"))), /tokenizer\.json/],
    [
      "a truncated file",
      () => broken((f) => truncateSync(join(f, "model.safetensors"), 100_000)),
      /model\.safetensors/,
    ],
    ["a broken config", () => broken((f) => writeFileSync(join(f, "config.json"), "{")), /config\.json/],
    ["sizes that do not fit", () => broken(editConfig({ num_key_value_heads: 4 })), /k_proj\.weight.*shape/],
    ["a wrong head dim", () => broken(editConfig({ head_dim: 128 })), /shape/],
    ["more layers than weights", () => broken(editConfig({ num_hidden_layers: 7 })), /lacks .*layers\.6/],
    [
      "fewer layers than weights",
      () => broken(editConfig({ num_hidden_layers: 5 })),
      /layers\.5.*does not have/,
    ],
    [
      "an untied head without weights",
      () => broken(editConfig({ tie_word_embeddings: false })),
      /lacks lm_head\.weight/,
    ],
    ["a dtype of no weights", () => broken(editConfig({ torch_dtype: "int8" })), /dtype/],
  ])("%s", async (_, folder, message) => {
    const { code, stdout, stderr } = await runHere("run", ["--model", folder(), "--prompt", "1+1="]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });

  it.each([
    ["an unknown option", ["--prmpt", "1+1="], /--prmpt/],
    ["a device that is not there", ["--prompt", "1+1=", "--device", "cuda:99"], /CUDA|cuda|addon/],
    [
      "a device that is none",
      ["--prompt", "1+1=", "--device", "tpu"],
      /"cpu" or "cuda:<ordinal>", got "tpu"/,
    ],
    ["a prompt file that is not there", ["--prompt-file", "nowhere.txt"], /nowhere\.txt.*ENOENT/],
    [
      "a system prompt for a model without a template",
      ["-p", "1", "--system", "x"],
      /no chat template.*--system/,
    ],
    ["ids that are none", ["--ids", "1,x"], /"x"/],
    ["an id beyond the vocabulary", ["--ids", "5,264"], /id 264 is outside 0\.\.263/],
    ["two kinds of prompt", ["--ids", "1", "--prompt", "1+1="], /--ids.*cannot be used with.*--prompt/],
    ["a penalty beyond its range", ["--prompt", "1+1=", "--presence-penalty", "2.5"], /from -2 to 2/],
    ["a penalty of nothing", ["--prompt", "1+1=", "--repetition-penalty", "0"], /above 0/],
    ["a dtype that is none", ["--dtype", "int8"], /int8.*f32, bf16, f16/],
    ["a temperature that is no number", ["--temperature", "warm"], /warm/],
    ["no tokens to generate", ["--prompt", "1+1=", "--max-tokens", "0"], /max-tokens.*from 1/],
    ["top-p out of range", ["--prompt", "1+1=", "--top-p", "7"], /topP|top_p|top-p/i],
    ["a chat template that is not there", ["--prompt", "1+1=", "--chat"], /no chat template/],
    ["an empty prompt", ["--prompt", ""], /prompt is empty/],
    ["a stray argument", ["127+456="], /argument/],
  ])("%s", async (_, args, message) => {
    const { code, stdout, stderr } = await ask(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout.trim()).toBe("");
    expect(code).toBe(1);
  });

  it("a prompt longer than the context, in a process of its own", () => {
    const { code, stdout, stderr } = askOutside(["--prompt", "1+".repeat(200)]);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/400 tokens.*context.*256/);
    expect(code).toBe(1);
  });

  it("kernels that are not there", () => {
    const { code, stderr } = askOutside(["--prompt", "1+1=", "--kernels", "native"], {
      env: { QKNORM_NATIVE: "off" },
    });
    expect(stderr).toMatch(/native kernels are not available/);
    expect(code).toBe(1);
  });
});
