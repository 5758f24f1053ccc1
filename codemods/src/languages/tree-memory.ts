import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Trees of so much text may be waiting to be freed. */
const mostText = 3_000_000;
let waiting = 0;
let collect: (() => void) | undefined;

/**
 * Counts the text that was parsed, and has its trees freed from time to time: V8 lets those of a whole repository pile up. To collect
 * takes less than a hundredth of the time that parsing took.
 */
export function noteParsed(text: string): void {
  waiting += text.length;
  if (waiting < mostText) return;
  waiting = 0;
  collect ??= exposedCollect();
  collect();
}

function exposedCollect(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
