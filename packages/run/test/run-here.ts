import { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { vi } from "vitest";
import { logits } from "../src/logits/logits-command.ts";
import { run } from "../src/run.ts";
import { type Run, sumsCheckpoint } from "./run-command.ts";

const commands = { run: (args: readonly string[]) => run(args, { name: "qknorm-run" }), logits };

/**
 * Runs a command in this process and catches what it prints, with `input` on its stdin: for all that a process is not the
 * subject of, as a process of its own takes a second to start.
 */
export async function runHere(
  command: keyof typeof commands,
  args: readonly string[],
  input = "",
): Promise<Run> {
  const printed = { stdout: "", stderr: "" };
  const catching = (name: keyof typeof printed) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      printed[name] += stripVTControlCharacters(String(chunk));
      return true;
    });
  const stdin = Readable.from([Buffer.from(input)]) as unknown as typeof process.stdin;
  const spies = [
    catching("stdout"),
    catching("stderr"),
    vi.spyOn(process, "stdin", "get").mockReturnValue(stdin),
  ];
  try {
    return { code: await commands[command](args), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Asks the small checkpoint. */
export function ask(args: readonly string[], input?: string): Promise<Run> {
  return runHere("run", ["--model", sumsCheckpoint, ...args], input);
}
