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

/** What of a process its terminal shows in. */
type Streams = Pick<NodeJS.Process, "stdin" | "stdout" | "stderr" | "env">;

/** The terminal of a process. Colours follow NO_COLOR and FORCE_COLOR; progress is for people only, not for pipes or CI. */
export function processTerminal({ stdin, stdout, stderr, env }: Streams = process): Terminal {
  const isSmart = env.TERM !== "dumb";
  const isForced = Boolean(env.FORCE_COLOR) && env.FORCE_COLOR !== "0";
  return {
    color: !env.NO_COLOR && (isForced || (Boolean(stdout.isTTY) && isSmart && env.FORCE_COLOR !== "0")),
    input: stdin,
    ask: (text) => stdout.write(text),
    progress: stderr.isTTY && isSmart && !env.CI ? (text) => stderr.write(text) : undefined,
  };
}

/** What `picocolors` paints with. */
export type Paint = ReturnType<typeof pc.createColors>;

export function paintFor({ color }: Pick<Terminal, "color">): Paint {
  return pc.createColors(color);
}
