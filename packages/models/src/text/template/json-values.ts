import type { Value } from "./values.ts";

const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+)((?:\.\d+)?(?:[eE][+-]?\d+)?)|([[\]{}:,])|(true|false|null))/y;

const WORDS: Readonly<Record<string, Value>> = { true: true, false: false, null: null };

/** Parses JSON that is known to be valid as Python does: ints apart from floats, of any size, and keys in their order. */
export function parseValue(json: string): Value {
  TOKEN.lastIndex = 0;
  return readValue(json, next(json));
}

type Token = RegExpExecArray;

function next(json: string): Token {
  const token = TOKEN.exec(json);
  if (token === null) throw new Error("the JSON is not valid");
  return token;
}

function readValue(json: string, token: Token): Value {
  const [, text, int, fraction, mark, word] = token;
  if (text !== undefined) return JSON.parse(text) as string;
  if (int !== undefined) return fraction === "" ? asInt(int) : Number(int + fraction);
  if (word !== undefined) return WORDS[word]!;
  return mark === "[" ? readList(json) : readDict(json);
}

function readList(json: string): Value[] {
  const items: Value[] = [];
  for (let token = next(json); token[4] !== "]"; token = next(json))
    if (token[4] !== ",") items.push(readValue(json, token));
  return items;
}

function readDict(json: string): Map<string, Value> {
  const entries = new Map<string, Value>();
  for (let token = next(json); token[4] !== "}"; token = next(json)) {
    if (token[4] === ",") continue;
    next(json);
    entries.set(JSON.parse(token[1]!) as string, readValue(json, next(json)));
  }
  return entries;
}

/** Python reads no longer ones. */
const DIGITS = 4300;

function asInt(digits: string): bigint {
  if (digits.length > DIGITS) throw new Error(`a number has more than ${DIGITS} digits`);
  return BigInt(digits);
}
