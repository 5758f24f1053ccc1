// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts them as spaces
const SPACE = /[\p{White_Space}\x1c-\x1f]/u;

/** Whether Python's `str.isspace` says so of one character. */
export function isSpace(letter: string): boolean {
  return SPACE.test(letter);
}

/** The sides that `strip`, `lstrip` and `rstrip` of Python clear. */
export const STRIPS = {
  strip: { left: true, right: true },
  lstrip: { left: true, right: false },
  rstrip: { left: false, right: true },
} as const;

/** A text less the characters of `chars` at its sides; spaces where none are given. */
export function pythonStrip(text: string, side: keyof typeof STRIPS, chars: string | null = null): string {
  const { left, right } = STRIPS[side];
  const letters = [...text];
  const goes = (letter: string): boolean => (chars === null ? isSpace(letter) : chars.includes(letter));
  let start = 0;
  let end = letters.length;
  while (left && start < end && goes(letters[start]!)) start += 1;
  while (right && end > start && goes(letters[end - 1]!)) end -= 1;
  return letters.slice(start, end).join("");
}
