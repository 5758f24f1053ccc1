import type { Readable } from "node:stream";
import pc from "picocolors";

/** What a command needs to know of the terminal it runs in, so that a test can stand in for one. */
export interface Terminal {
  readonly color: boolean;
  /** Answers under `--interactive`, the source under `--stdin`. */
  readonly input: Readable;
  /** Shows a question at once; all else is printed when the command has ended. */
  readonly ask: (text: string) => void;
  /** Overwrites the progress line; undefined where nobody watches: in a pipe, a file, or CI. */
  readonly progress: ((text: string) => void) | undefined;
}

/** The terminal of this process. Colours follow NO_COLOR and FORCE_COLOR. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  const isWatched = stderr.isTTY && !env.CI && env.TERM !== "dumb";
  return {
    color: pc.isColorSupported && (stdout.isTTY || Boolean(env.FORCE_COLOR)),
    input: stdin,
    ask: (text) => stdout.write(text),
    progress: isWatched ? (text) => stderr.write(text) : undefined,
  };
}

/** What `picocolors` paints with. */
export type Paint = ReturnType<typeof pc.createColors>;

export function paintFor({ color }: Pick<Terminal, "color">): Paint {
  return pc.createColors(color);
}
