/** The line end that a file uses: the first one in it. A lone carriage return counts too. */
export function newlineOf(text: string): string {
  return /\r\n|\n|\r/.exec(text)?.[0] ?? "\n";
}

/** Offset of the first character of the line that holds `offset`. */
export function lineStart(text: string, offset: number): number {
  let start = offset;
  while (start > 0 && !isNewline(text[start - 1])) start -= 1;
  return start;
}

/** Offset of the line end of the line that holds `offset`: behind its last character, before its newline. */
export function lineEnd(text: string, offset: number): number {
  let end = offset;
  while (end < text.length && !isNewline(text[end])) end += 1;
  return end;
}

/** Offset of the next line, or the end of the text. */
export function nextLine(text: string, offset: number): number {
  const end = lineEnd(text, offset);
  return text.startsWith("\r\n", end) ? end + 2 : Math.min(end + 1, text.length);
}

/** The white space that the line of `offset` begins with. */
export function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset), lineEnd(text, offset)))?.[0] ?? "";
}

export function isBlankLine(text: string, offset: number): boolean {
  return /^\s*$/.test(text.slice(lineStart(text, offset), lineEnd(text, offset)));
}

/** One step of indentation as the file has it: that of the first line that is indented at all. */
export function indentUnit(text: string): string {
  return /(?:^|[\r\n])(\t| +)\S/.exec(text)?.[1] ?? "    ";
}

function isNewline(character: string | undefined): boolean {
  return character === "\n" || character === "\r";
}
