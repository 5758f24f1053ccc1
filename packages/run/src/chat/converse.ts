import { QkNormError } from "@qknorm/core";
import pc from "picocolors";
import type { Options } from "../options.ts";
import { JsonPrinter } from "../output/printer.ts";
import { describeAnswer, describeRun } from "../output/report.ts";
import { textFor } from "../output/safe-text.ts";
import type { Session } from "../session/session.ts";
import { Conversation } from "./conversation.ts";
import { openLines } from "./line-source.ts";

const HELP = [
  "/clear  forgets the conversation",
  "/exit   ends it, as Ctrl-D does",
  "/help   says this",
  "Ctrl-C stops an answer and keeps the conversation. A line that begins with // is said with one / less.",
].join("\n");

/** Talks: a line is said, the answer comes as it is made, and so on to /exit or the end of the input. */
export async function converse(session: Session, options: Options): Promise<void> {
  const conversation = new Conversation(session);
  const note = (text: string): void => {
    if (!options.quiet) process.stderr.write(`${pc.dim(text)}\n`);
  };
  note(`${await describeRun(session)}`);
  note(
    session.isChat ? "/help says what else there is" : "no chat template: each line is continued by itself",
  );
  const lines = openLines("> ");
  try {
    for (let line = await lines.next(); line !== null; line = await lines.next()) {
      const command = line.trim();
      if (command === "") continue;
      if (command === "/exit") return;
      if (command === "/help") note(HELP);
      else if (command === "/clear") {
        conversation.clear();
        note("(a new conversation)");
      } else if (/^\/[a-z]+$/.test(command)) note(`(there is no ${command}; ${"/help"} says what there is)`);
      else await sayAndShow(conversation, line.replace(/^\/\//, "/"), options, note);
    }
  } finally {
    lines.close();
  }
}

async function sayAndShow(
  conversation: Conversation,
  text: string,
  { json, quiet }: Options,
  note: (text: string) => void,
): Promise<void> {
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort();
  process.on("SIGINT", onInterrupt);
  try {
    const answer = await conversation.say(text, {
      signal: stop.signal,
      onText: json
        ? undefined
        : (piece) => {
            const shown = textFor(process.stdout, piece);
            process.stdout.write(quiet ? shown : pc.bold(shown));
          },
    });
    if (json) new JsonPrinter().end({ kind: "text", text }, answer);
    else process.stdout.write("\n");
    note(describeAnswer(answer));
  } catch (error) {
    // A line that cannot be answered, such as one too many for the context, ends the line and not the conversation.
    if (!(error instanceof QkNormError)) throw error;
    const hint = conversation.length > 0 ? "; /clear begins a new conversation" : "";
    process.stderr.write(`${pc.red("error:")} ${textFor(process.stderr, error.message)}${hint}\n`);
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}
