import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { fuzzAsync, fuzzTimeout } from "../../core/test/fuzz.ts";
import { sumsCheckpoint } from "./run-command.ts";
import { runHere } from "./run-here.ts";

// Whatever the arguments: an answer and 0, or 1 and a few lines that say what is wrong; never a stack trace.
const dir = mkdtempSync(join(tmpdir(), "qknorm-arguments-"));
afterAll(() => rmSync(dir, { recursive: true }));
const notes = join(dir, "notes.json");
writeFileSync(notes, '[{"role": "user", "content": "1+1="}]');

const flags = [
  ...["--json", "--quiet", "--trace", "--compare", "--embed", "--thinking", "--chat", "--no-chat", "-i"],
  ...["--help", "--version", "--nothing", "--", "-", "-x"],
];
const options = [
  ...[
    "--prompt",
    "-p",
    "--prompt-file",
    "--ids",
    "--messages",
    "--system",
    "--tools",
    "--temperature",
    "--top-k",
  ],
  ...[
    "--top-p",
    "--min-p",
    "--typical-p",
    "--epsilon-cutoff",
    "--eta-cutoff",
    "--repetition-penalty",
    "--presence-penalty",
    "--frequency-penalty",
    "--seed",
  ],
  ...[
    "--device",
    "--dtype",
    "--qk-norm",
    "--model",
    "--rounding",
    "--threads",
    "--kernels",
    "--block-length",
  ],
];
const value = fc.oneof(
  fc.constantFrom(
    ...["0", "1", "-1", "0.5", "1e308", "-1e308", "1e999", "NaN", "Infinity", "0x10", "9007199254740993", ""],
    ...[
      "1+1=",
      "17,3",
      "5,,7",
      "-5",
      "99999999999",
      "cpu",
      "cuda:0",
      "cuda:99",
      "bf16",
      "f32",
      "auto",
      "fallback",
    ],
    ...[
      notes,
      dir,
      sumsCheckpoint,
      join(dir, "nowhere"),
      "-",
      "--json",
      "\u0000",
      "\ud800",
      "x".repeat(5000),
    ],
  ),
  fc.string({ maxLength: 8, unit: "binary" }),
);
const argument = fc.oneof(
  fc.constantFrom(...flags).map((flag) => [flag]),
  fc.tuple(fc.constantFrom(...options), value).map((pair) => pair as readonly string[]),
  value.map((word) => [word]),
);
const line = fc.record({
  command: fc.constantFrom("run", "run", "logits"),
  model: fc.boolean(),
  args: fc.array(argument, { maxLength: 5 }).map((all) => all.flat()),
  input: value,
});

it("any arguments give an answer, or a sentence and exit code 1", { timeout: fuzzTimeout }, async () => {
  await fuzzAsync("arguments of qknorm-run", 40, line, async ({ command, model, args, input }) => {
    // A model of its own may come later; the number of tokens is bounded, so that a wrong line ends soon.
    const bounded = command === "run" ? ["--max-tokens", "3"] : [];
    const all = [...(model ? ["--model", sumsCheckpoint] : []), ...bounded, ...args];
    const { code, stdout, stderr } = await runHere(command as "run" | "logits", all, input);
    expect(code === 0 || code === 1, `${JSON.stringify(all)} ended with ${code}`).toBe(true);
    expect(stderr).not.toMatch(/\n\s+at /);
    if (code === 1) expect(stderr).not.toBe("");
    if (code === 0) expect(stdout + stderr).not.toBe("");
  });
});
