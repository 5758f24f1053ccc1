import { filePatch } from "../edits/patch.ts";
import type { FileResult } from "../run/run.ts";
import type { Paint } from "./terminal.ts";

/** What changes in a file, in the colours of a diff; the file is named by what stands above it. */
export function paintPatch(file: FileResult, paint: Paint): readonly string[] {
  const [, , ...lines] = filePatch(file, "").trimEnd().split("\n");
  return lines.map((line) => paintLine(printable(line.replace(/\r$/, "")), paint));
}

function paintLine(line: string, paint: Paint): string {
  if (line.startsWith("+")) return paint.green(line);
  if (line.startsWith("-")) return paint.red(line);
  return line.startsWith("@@") ? paint.cyan(line) : paint.dim(line);
}

/** For one line of output: names and sources may hold anything, and a terminal must not obey it. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are looked for
  return text.replace(/[\u0000-\u0008\u000A-\u001F\u007F-\u009F]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
