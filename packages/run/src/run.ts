import type { ForwardTrace } from "@qknorm/models";
import pc from "picocolors";
import { converse } from "./chat/converse.ts";
import { compare } from "./compare.ts";
import { explainFailure, UsageError } from "./failure.ts";
import { type Options, parseOptions, type Setting } from "./options.ts";
import { endWithItsReader } from "./output/closed-pipe.ts";
import { JsonPrinter, type Printer, QuietPrinter, ReadablePrinter } from "./output/printer.ts";
import { describeRun, traceTable } from "./output/report.ts";
import { type Request, readRequests } from "./prompts.ts";
import { embedAll } from "./session/embed.ts";
import { Session } from "./session/session.ts";

/** Runs the command line; 0 when everything was answered, 1 for anything the caller can mend. */
export async function run(args: readonly string[], setting: Setting): Promise<number> {
  endWithItsReader();
  try {
    const options = parseOptions(args, setting);
    const requests = await readRequests(options, setting);
    const talk =
      options.interactive === true || (requests.length === 0 && process.stdin.isTTY && !options.embed);
    if (talk) await converse(await Session.open(options), options);
    else if (requests.length === 0)
      throw new UsageError('give a prompt: --prompt "...", --prompt-file FILE, or something on stdin');
    else if (options.embed) await printEmbeddings(requests, options);
    else if (options.compare) process.stdout.write(`${await compare(options, requests)}\n`);
    else await answerAll(requests, options);
    return 0;
  } catch (error) {
    return explainFailure(error);
  }
}

async function answerAll(requests: readonly Request[], options: Options): Promise<void> {
  const session = await Session.open(options);
  const printer = printerFor(options);
  for (const request of requests) {
    const traces: ForwardTrace[] = [];
    const answer = await session.answer(request, {
      onStart: () => printer.start(request),
      onText: (piece) => printer.text(piece),
      onTrace: options.trace ? (trace) => traces.push(trace) : undefined,
    });
    printer.end(request, answer);
    if (options.trace) process.stdout.write(`${traceTable(traces)}\n`);
  }
  if (!options.quiet) process.stderr.write(`${pc.dim(await describeRun(session))}\n`);
}

async function printEmbeddings(requests: readonly Request[], options: Options): Promise<void> {
  for await (const [request, embedded] of embedAll(requests, options)) {
    const prompt = request.kind === "text" ? { prompt: request.text } : {};
    process.stdout.write(`${JSON.stringify({ ...prompt, ...embedded })}\n`);
  }
}

function printerFor({ json, quiet }: Options): Printer {
  if (json) return new JsonPrinter();
  return quiet ? new QuietPrinter() : new ReadablePrinter();
}
