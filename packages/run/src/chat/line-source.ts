import { createInterface } from "node:readline";

/** Gives the lines that somebody types, or that are piped in. */
export interface LineSource {
  /** The next line; null at the end of the input. */
  next(): Promise<string | null>;
  close(): void;
}

export function openLines(prompt: string): LineSource {
  return process.stdin.isTTY ? new TypedLines(prompt) : new PipedLines();
}

/**
 * Lines from a terminal, with editing and history. The terminal is the program's only while a line is read, so that
 * Ctrl-C in between is a signal like any other.
 */
class TypedLines implements LineSource {
  readonly #prompt: string;
  #history: string[] = [];

  constructor(prompt: string) {
    this.#prompt = prompt;
  }

  next(): Promise<string | null> {
    const editor = createInterface({
      input: process.stdin,
      // Where the answers go to a file, the conversation is still seen.
      output: process.stdout.isTTY ? process.stdout : process.stderr,
      prompt: this.#prompt,
      history: this.#history,
      historySize: 1000,
      removeHistoryDuplicates: true,
    });
    editor.on("history", (history) => {
      this.#history = history;
    });
    return new Promise((resolve) => {
      let line: string | null = null;
      editor.on("line", (text) => {
        line = text;
        editor.close();
      });
      // Ctrl-C throws away the line, and says how to leave when there is none.
      editor.on("SIGINT", () => {
        process.stderr.write(editor.line === "" ? "\n(/exit or Ctrl-D ends)\n" : "\n");
        editor.write(null, { ctrl: true, name: "e" });
        editor.write(null, { ctrl: true, name: "u" });
        editor.prompt();
      });
      editor.on("close", () => resolve(line));
      // The terminal has gone.
      editor.on("error", () => resolve(null));
      editor.prompt();
    });
  }

  close(): void {}
}

class PipedLines implements LineSource {
  readonly #reader = createInterface({ input: process.stdin });
  readonly #lines = this.#reader[Symbol.asyncIterator]();

  async next(): Promise<string | null> {
    const { value, done } = await this.#lines.next();
    return done === true ? null : value;
  }

  close(): void {
    this.#reader.close();
  }
}
