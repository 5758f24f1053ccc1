import pc from "picocolors";
import type { Options } from "./options.ts";
import { describeRun } from "./output/report.ts";
import { visible } from "./output/safe-text.ts";
import type { Request } from "./prompts.ts";
import type { Answer } from "./session/answer.ts";
import { Session } from "./session/session.ts";

/** The fused path and the fallback over the same prompts, as a table: tokens/s, and whether the texts agree. */
export async function compare(options: Options, requests: readonly Request[]): Promise<string> {
  // One seed for both, so that sampled texts can agree as well.
  const seeded = options.seed === undefined ? { ...options, seed: 1 } : options;
  const fused = await Session.open(seeded, "auto");
  const fallback = await Session.open(seeded, "fallback");
  // The first answer pays for warming up, whichever path gives it.
  for (const session of [fused, fallback]) await session.answer(requests[0] as Request);

  const rows = [];
  for (const request of requests) {
    const prompt = request.kind === "text" ? request.text : "";
    rows.push({ prompt, fused: await fused.answer(request), fallback: await fallback.answer(request) });
  }
  const agree = rows.every((row) => row.fused.text === row.fallback.text);
  return [
    pc.dim(line("prompt", "fused", "tokens/s", "fallback", "tokens/s", "")),
    ...rows.map((row) =>
      line(
        shorten(row.prompt, 24),
        shorten(row.fused.text, 16),
        speed(row.fused),
        shorten(row.fallback.text, 16),
        speed(row.fallback),
        row.fused.text === row.fallback.text ? pc.green("same text") : pc.red("texts differ"),
      ),
    ),
    line(
      "all",
      "",
      total(rows.map((row) => row.fused)),
      "",
      total(rows.map((row) => row.fallback)),
      agree ? pc.green("same text") : pc.red("texts differ"),
    ),
    pc.dim(`fused:    ${await describeRun(fused)}`),
    pc.dim(`fallback: ${await describeRun(fallback)}`),
  ].join("\n");
}

function line(
  prompt: string,
  fused: string,
  a: string,
  fallback: string,
  b: string,
  verdict: string,
): string {
  return `${prompt.padEnd(24)}  ${fused.padEnd(16)}  ${a.padStart(8)}  ${fallback.padEnd(16)}  ${b.padStart(8)}  ${verdict}`;
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
