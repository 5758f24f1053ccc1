/** Where the lines of a text start. */
interface LineIndex {
  readonly text: string;
  readonly starts: readonly number[];
}

/** A file is asked for many lines in a row, and another one it takes from in between. */
const mostKept = 2;
const kept: LineIndex[] = [];

/** The line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  const { starts } = indexOf(text);
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function indexOf(text: string): LineIndex {
  const known = kept.find((one) => one.text === text);
  if (known !== undefined) return known;
  const starts = [0];
  const ends = /\r\n|\n|\r/g;
  while (ends.test(text)) starts.push(ends.lastIndex);
  const made = { text, starts };
  kept.unshift(made);
  kept.length = Math.min(kept.length, mostKept);
  return made;
}
