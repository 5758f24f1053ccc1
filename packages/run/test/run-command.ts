import { spawnSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The small checkpoint of this repository. */
export const sumsCheckpoint = join(import.meta.dirname, "../../../checkpoints/qwen3-sums");

const files = { run: "run-cli.ts", logits: "logits/logits-cli.ts" };

/** What a command printed, and its exit code. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What starts a command as its users do: a process of its own, from source. */
export function commandLine(command: keyof typeof files, args: readonly string[]): [string, string[]] {
  const file = join(import.meta.dirname, "../src", files[command]);
  return [
    process.execPath,
    ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx"), file, ...args],
  ];
}

/** What a run gets besides its arguments. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  /** Piped in. Without it stdin is /dev/null. */
  readonly input?: string;
}

/** Runs a command to its end, with colours off. */
export function runCommand(
  command: keyof typeof files,
  args: readonly string[],
  { env = {}, input }: Surroundings = {},
): Run {
  const { status, stdout, stderr } = spawnSync(...commandLine(command, args), {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    ...(input === undefined ? {} : { input }),
    maxBuffer: 2 ** 28,
  });
  return { code: status, stdout, stderr };
}

/** Asks the small checkpoint, in a process of its own. */
export function askOutside(args: readonly string[], surroundings?: Surroundings): Run {
  return runCommand("run", ["--model", sumsCheckpoint, ...args], surroundings);
}

/** A copy of the small checkpoint that answers through a chat template. */
export function chatCheckpoint(folder: string, template: string): string {
  cpSync(sumsCheckpoint, folder, { recursive: true });
  writeFileSync(join(folder, "chat_template.jinja"), template);
  return folder;
}

/** Makes a copy of a checkpoint go on to the end of the context: no token ends its text. */
export function withoutEnd(folder: string): string {
  writeFileSync(join(folder, "generation_config.json"), '{"eos_token_id": []}');
  return folder;
}
