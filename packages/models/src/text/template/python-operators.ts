import type { RuntimeValue } from "./python-json.ts";

const NUMBERS = ["IntegerValue", "FloatValue", "BooleanValue"];

export function isNumber({ type }: RuntimeValue): boolean {
  return NUMBERS.includes(type);
}

/** `==` of Python: 1, 1.0 and True are equal, and "1" is none of them; lists and dicts by what they hold. */
export function pythonEquals(left: RuntimeValue, right: RuntimeValue): boolean {
  if (isNumber(left) && isNumber(right)) return Number(left.value) === Number(right.value);
  if (left.type !== right.type) return false;
  const [a, b] = [left.value, right.value];
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item: RuntimeValue, i) => pythonEquals(item, b[i]));
  if (!(a instanceof Map && b instanceof Map)) return a === b;
  if (a.size !== b.size) return false;
  return [...(a as Map<string, RuntimeValue>)].every(([key, item]) => {
    const other = (b as Map<string, RuntimeValue>).get(key);
    return other !== undefined && pythonEquals(item, other);
  });
}

/** `%` of Python: the sign is the divisor's. */
export function pythonModulo(left: number, right: number): number {
  if (right === 0) throw new Error("modulo by zero");
  const rest = left % right;
  return rest !== 0 && rest < 0 !== right < 0 ? rest + right : rest;
}

/** The sides that `strip`, `lstrip` and `rstrip` of Python clear. */
export const STRIPS: Readonly<Record<string, { readonly left: boolean; readonly right: boolean }>> = {
  strip: { left: true, right: true },
  lstrip: { left: true, right: false },
  rstrip: { left: false, right: true },
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts them as spaces
const SPACE = /[\p{White_Space}\x1c-\x1f]/u;

/** A text less the characters of `chars` at its sides; spaces where none are given. */
export function pythonStrip(
  text: string,
  { left, right }: { readonly left: boolean; readonly right: boolean },
  chars: string | null,
): string {
  const letters = [...text];
  const goes = (letter: string): boolean => (chars === null ? SPACE.test(letter) : chars.includes(letter));
  let start = 0;
  let end = letters.length;
  while (left && start < end && goes(letters[start]!)) start += 1;
  while (right && end > start && goes(letters[end - 1]!)) end -= 1;
  return letters.slice(start, end).join("");
}
