import { clearLine, createInterface, cursorTo } from "node:readline";

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
 * Ctrl-C in between is a signal like any other. Of several lines that are pasted at once, none is lost.
 */
class TypedLines implements LineSource {
  readonly #prompt: string;
  readonly #pasted: string[] = [];
  /** What was typed after the last line end. */
  #begun = "";
  #history: string[] = [];

  constructor(prompt: string) {
    this.#prompt = prompt;
  }

  next(): Promise<string | null> {
    const pasted = this.#pasted.shift();
    return pasted === undefined ? this.#read() : Promise.resolve(pasted);
  }

  #read(): Promise<string | null> {
    // Where the answers go to a file, the conversation is still seen.
    const output = process.stdout.isTTY ? process.stdout : process.stderr;
    const editor = createInterface({
      input: process.stdin,
      output,
      prompt: this.#prompt,
      history: this.#history,
      historySize: 1000,
      removeHistoryDuplicates: true,
    });
    editor.on("history", (history) => {
      this.#history = history;
    });
    return new Promise((resolve) => {
      const lines: string[] = [];
      editor.on("line", (text) => {
        // The rest of what came with this line is still to be heard of.
        if (lines.push(text) === 1) setImmediate(() => editor.close());
      });
      // Ctrl-C throws away the line, and says how to leave when there is none.
      editor.on("SIGINT", () => {
        process.stderr.write(editor.line === "" ? "\n(/exit or Ctrl-D ends)\n" : "\n");
        editor.write(null, { ctrl: true, name: "e" });
        editor.write(null, { ctrl: true, name: "u" });
        editor.prompt();
      });
      editor.on("close", () => {
        this.#begun = lines.length > 0 ? editor.line : "";
        // It is shown again when it goes on.
        if (this.#begun !== "") {
          cursorTo(output, 0);
          clearLine(output, 0);
        }
        const [first = null, ...more] = lines;
        this.#pasted.push(...more);
        resolve(first);
      });
      // The terminal has gone.
      editor.on("error", () => resolve(null));
      editor.prompt();
      if (this.#begun !== "") editor.write(this.#begun);
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
