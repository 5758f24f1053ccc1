import { diffArrays } from "diff";

/** Lines with their ends; a last line without one included. */
export function splitLines(text: string): readonly string[] {
  return text === "" ? [] : text.split(/(?<=\r\n|\n|\r(?!\n))/);
}

/** Lines of the old text, counted from 0 and `to` not included, that other lines stand for. */
export interface LineChange {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** What turns one list of lines into another, from the top down. Lines that are equal to both are left alone. */
export function lineChanges(before: readonly string[], after: readonly string[]): readonly LineChange[] {
  const changes: LineChange[] = [];
  let line = 0;
  for (const { added, removed, value, count } of diffArrays([...before], [...after])) {
    const last = changes.at(-1);
    const isNext = last !== undefined && last.to === line;
    if (added) {
      if (isNext) changes[changes.length - 1] = { ...last, text: last.text + value.join("") };
      else changes.push({ from: line, to: line, text: value.join("") });
    } else if (removed) {
      if (isNext) changes[changes.length - 1] = { ...last, to: line + count };
      else changes.push({ from: line, to: line + count, text: "" });
      line += count;
    } else line += count;
  }
  return changes;
}
