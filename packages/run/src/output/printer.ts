import pc from "picocolors";
import type { Request } from "../prompts.ts";
import type { Answer } from "../session/answer.ts";
import { describeAnswer } from "./report.ts";
import { textFor } from "./safe-text.ts";

/** Shows answers as they come. */
export interface Printer {
  start(request: Request): void;
  text(piece: string): void;
  end(request: Request, answer: Answer): void;
}

/** Prompts marked with >, answers below them, and on stderr how each answer went. */
export class ReadablePrinter implements Printer {
  start(request: Request): void {
    process.stdout.write(`${pc.dim(marked(textFor(process.stdout, shownPrompt(request))))}\n`);
  }

  text(piece: string): void {
    process.stdout.write(pc.bold(textFor(process.stdout, piece)));
  }

  end(_: Request, answer: Answer): void {
    process.stdout.write("\n");
    process.stderr.write(`${pc.dim(describeAnswer(answer))}\n`);
  }
}

/** The answers alone, each with a line end. */
export class QuietPrinter implements Printer {
  start(): void {}

  text(piece: string): void {
    process.stdout.write(textFor(process.stdout, piece));
  }

  end(): void {
    process.stdout.write("\n");
  }
}

/** One JSON object a line, when the answer is complete. */
export class JsonPrinter implements Printer {
  start(): void {}

  text(): void {}

  end(request: Request, answer: Answer): void {
    const { text, ids, promptIds, finishReason, prefillSeconds, decodeSeconds } = answer;
    const prompt = request.kind === "text" ? { prompt: request.text } : {};
    const timings = { prefillSeconds, decodeSeconds, promptTokens: promptIds.length, newTokens: ids.length };
    process.stdout.write(`${JSON.stringify({ ...prompt, text, ids, promptIds, finishReason, timings })}\n`);
  }
}

function shownPrompt(request: Request): string {
  switch (request.kind) {
    case "text":
      return request.text;
    case "ids":
      return request.ids.join(",");
    case "messages":
      return lastContent(request.messages.value);
    default:
      return request satisfies never;
  }
}

function lastContent(messages: unknown): string {
  const last = Array.isArray(messages) ? (messages.at(-1) as { content?: unknown } | undefined) : undefined;
  return typeof last?.content === "string" ? last.content : "";
}

/** Lines of a prompt that are shown. */
const SHOWN_LINES = 8;

function marked(text: string): string {
  const lines = text.split("\n");
  const shown = lines.slice(0, SHOWN_LINES);
  if (lines.length > SHOWN_LINES) shown.push(`(${lines.length - SHOWN_LINES} more lines)`);
  return shown.map((line) => `> ${line}`).join("\n");
}
