// One engine of `oracle/cpu_speed.py`: loads, then measures what each line on standard input asks for and answers with a
// line of JSON, so that several engines can take turns in one run.
import { createInterface } from "node:readline";

/** How an engine is asked: tokens per second of `decode` (`count` tokens after `warm` others) and of a `prefill`. */
export interface Engine {
  readonly about: string;
  decode(prompt: number, warm: number, count: number): Promise<number>;
  prefill(count: number): Promise<number>;
}

/** Answers `decode PROMPT WARM COUNT` and `prefill COUNT` until the input ends. */
export async function takeTurns({ about, decode, prefill }: Engine): Promise<void> {
  const answer = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  answer(about);
  for await (const line of createInterface({ input: process.stdin })) {
    const [what, ...sizes] = line.trim().split(" ");
    const [first = 0, second = 0, third = 0] = sizes.map(Number);
    answer(what === "decode" ? await decode(first, second, third) : await prefill(first));
  }
}

/** Token ids of a prompt of random text. */
export function promptIds(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 + ((i * 7919) % 50_000));
}

/** Milliseconds: of the clock, or with `TURNS_CLOCK=cpu` of processor time, which other programs do not use up. */
export function now(): number {
  if (process.env.TURNS_CLOCK !== "cpu") return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Tokens per second since `start`, a reading of `now`. */
export function rateSince(start: number, tokens: number): number {
  return (1000 * tokens) / (now() - start);
}
