import pc from "picocolors";
import type { Options } from "./options.ts";
import { describeRun } from "./output/report.ts";
import { visible } from "./output/safe-text.ts";
import type { Request } from "./prompts.ts";
import type { Answer } from "./session/answer.ts";
import { Session, type SessionWay } from "./session/session.ts";

const ways: readonly SessionWay[] = ["chain", "fused", "fallback"];

/** The chain, the fused norm and the fallback over the same prompts, as a table: tokens/s, and whether the texts agree. */
export async function compare(options: Options, requests: readonly Request[]): Promise<string> {
  // One seed for all, so that sampled texts can agree as well.
  const seeded = options.seed === undefined ? { ...options, seed: 1 } : options;
  const sessions: Session[] = [];
  for (const way of ways) sessions.push(await Session.open(seeded, way));
  // The first answer pays for warming up, whichever way gives it.
  for (const session of sessions) await session.answer(requests[0] as Request);

  const rows: { prompt: string; answers: Answer[] }[] = [];
  for (const request of requests) {
    const answers: Answer[] = [];
    for (const session of sessions) answers.push(await session.answer(request));
    rows.push({ prompt: request.kind === "text" ? request.text : "", answers });
  }
  const columns = ways.map((_, i) => rows.map(({ answers }) => answers[i] as Answer));
  const runs: string[] = [];
  for (const [i, session] of sessions.entries()) {
    runs.push(pc.dim(`${`${ways[i]}:`.padEnd(10)}${await describeRun(session)}`));
  }
  return [
    pc.dim(
      line(
        "prompt",
        ways,
        ways.map(() => "tokens/s"),
        "",
      ),
    ),
    ...rows.map(({ prompt, answers }) =>
      line(
        shorten(prompt, 24),
        answers.map(({ text }) => shorten(text, 16)),
        answers.map(speed),
        verdict(agree(answers)),
      ),
    ),
    line(
      "all",
      ways.map(() => ""),
      columns.map(total),
      verdict(rows.every(({ answers }) => agree(answers))),
    ),
    ...runs,
  ].join("\n");
}

function agree(answers: readonly Answer[]): boolean {
  return answers.every(({ text }) => text === answers[0]?.text);
}

function verdict(same: boolean): string {
  return same ? pc.green("same text") : pc.red("texts differ");
}

function line(prompt: string, texts: readonly string[], speeds: readonly string[], verdict: string): string {
  const cells = texts.map((text, i) => `${text.padEnd(16)}  ${(speeds[i] as string).padStart(8)}`);
  return [prompt.padEnd(24), ...cells, verdict].join("  ");
}

function speed(answer: Answer): string {
  return total([answer]);
}

// Tokens put through the model, prompt included, over the whole time.
function total(answers: readonly Answer[]): string {
  const tokens = answers.reduce((sum, answer) => sum + answer.promptIds.length + answer.ids.length, 0);
  const seconds = answers.reduce((sum, answer) => sum + answer.prefillSeconds + answer.decodeSeconds, 0);
  return (tokens / seconds).toFixed(0);
}

function shorten(text: string, length: number): string {
  const line = visible(text.replaceAll("\n", " "));
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
