import { join } from "node:path";
import { loadTokenizer, openSafetensors } from "@qknorm/models";
import { describe, expect, it } from "vitest";
import { type Run, runCommand, sumsCheckpoint } from "./run-command.ts";
import { runHere } from "./run-here.ts";

const untied = join(import.meta.dirname, "../../models/golden/tiny-untied");

interface Report {
  readonly modelType: string;
  readonly ids: readonly number[];
  readonly shape: readonly [number, number];
  readonly logits: readonly (readonly number[])[];
  readonly generated?: readonly number[];
}

function logits(args: readonly string[]): Promise<Run> {
  return runHere("logits", args);
}

describe("qknorm-logits", () => {
  it("prints transformers' logits of all positions as one JSON object", async () => {
    const golden = openSafetensors(join(untied, "golden.safetensors"));
    const ids = [...(golden.read("ids_0") as Int32Array)];
    const theirs = golden.read("logits_f32_0") as Float32Array;
    golden.close();

    const args = ["--model", untied, "--ids", ids.join(), "--dtype", "f32"];
    const { code, stdout, stderr } = runCommand("logits", args);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(Object.keys(report)).toEqual(["modelType", "ids", "shape", "logits"]);
    expect(report).toMatchObject({ modelType: "qwen3", ids, shape: [5, 128] });
    const differences = report.logits.flat().map((logit, i) => Math.abs(logit - theirs[i]!));
    expect(differences).toHaveLength(theirs.length);
    expect(Math.max(...differences)).toBeLessThanOrEqual(1e-4);
  });

  it("prints what greedy decoding continues with, up to and with the end-of-text token", async () => {
    const tokenizer = loadTokenizer(sumsCheckpoint);
    const ids = tokenizer.encode("127+456=").join();
    const { stdout } = await logits(["--model", sumsCheckpoint, "--ids", ids, "--generate", "9"]);
    const { generated } = JSON.parse(stdout) as Report;
    expect(tokenizer.decode(generated!, { skipSpecialTokens: true })).toBe("583");
    expect(generated).toHaveLength(4);
    expect(tokenizer.specialIds.has(generated!.at(-1)!)).toBe(true);
  });

  it("generates no more than it is asked to", async () => {
    const ids = loadTokenizer(sumsCheckpoint).encode("127+456=").join();
    const { stdout } = await logits(["--model", sumsCheckpoint, "--ids", ids, "--generate", "2"]);
    expect((JSON.parse(stdout) as Report).generated).toHaveLength(2);
  });

  it.each([
    ["no ids", ["--model", sumsCheckpoint], /--ids/],
    ["ids that are none", ["--model", sumsCheckpoint, "--ids", "5,x"], /"x"/],
    ["an id outside the vocabulary", ["--model", sumsCheckpoint, "--ids", "5,9999"], /9999/],
    ["more ids than the context", ["--model", sumsCheckpoint, "--ids", "5,".repeat(300)], /300.*256/],
    ["no folder", ["--model", "nowhere", "--ids", "5"], /no such folder/],
    ["nothing to generate", ["--model", sumsCheckpoint, "--ids", "5", "--generate", "0"], /from 1/],
  ])("refuses %s in one sentence", async (_, args, message) => {
    const { code, stdout, stderr } = await logits(args);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });
});
