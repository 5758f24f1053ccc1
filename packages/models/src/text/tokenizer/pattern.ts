import * as library from "@huggingface/tokenizers";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { isJsonObject } from "../../checkpoint/json-file.ts";
import { within } from "../deadline.ts";

// The library translates Oniguruma's syntax, and shows the result only here; its types leave the class out.
const { SplitPreTokenizer } = library as unknown as {
  SplitPreTokenizer: new (config: object) => { readonly pattern: RegExp };
};

/** A longer regular expression is refused; the longest of a published tokenizer has 500 characters. */
const LONGEST = 16_384;
const COMPILE_MS = 500;

/**
 * Reads `pattern`: `{ "String": ... }` or `{ "Regex": ... }`, the latter in Oniguruma's syntax, which is translated.
 *
 * @returns a regular expression with the flags "gu"
 * @throws ERR_CHECKPOINT for a pattern of no kind, that is empty, or that JavaScript cannot express
 */
export function readPattern(fields: ConfigFields): RegExp {
  const pattern = fields.raw.pattern;
  const { String: text, Regex: source } = isJsonObject(pattern) ? pattern : {};
  const given = text ?? source;
  if (typeof given !== "string") return fields.fail("pattern", "must have a Regex or a String");
  if (given === "") return fields.fail("pattern", "is empty");
  if (given.length > LONGEST) return fields.fail("pattern", `is longer than ${LONGEST} characters`);
  if (text !== undefined) return literal(given);
  const compiled = within(COMPILE_MS, () => {
    try {
      const Regex = given.replace(/^\(\?i\)(.*)$/s, "(?i:$1)"); // the library knows the flag of a group only
      const { pattern: regex } = new SplitPreTokenizer({ type: "Split", pattern: { Regex } });
      regex.test(""); // compiles, which the engine puts off until the first use
      return regex;
    } catch (cause) {
      const reason = (cause as Error).message.replaceAll(/\s+/g, " ").slice(0, 120);
      return fields.fail("pattern", `is a regular expression that cannot be run here (${reason})`);
    }
  });
  return compiled?.value ?? fields.fail("pattern", `took more than ${COMPILE_MS} ms to compile`);
}

/** A regular expression that matches the text itself. */
export function literal(text: string): RegExp {
  return new RegExp(text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "gu");
}

/** A stretch of a text, in UTF-16 units, and whether the pattern matched it. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly match: boolean;
}

/** All matches and what lies between them, in order. As Oniguruma's iterator: no empty match right after a match. */
export function stretches(text: string, pattern: RegExp): Stretch[] {
  const found: Stretch[] = [];
  if (text === "") return found;
  let covered = 0;
  let lastEnd = -1;
  for (let from = 0; from <= text.length; ) {
    pattern.lastIndex = from;
    const match = pattern.exec(text);
    if (match === null) break;
    const end = match.index + match[0].length;
    if (end === match.index && end === lastEnd) {
      from += (text.codePointAt(from) ?? 0) > 0xffff ? 2 : 1;
      continue;
    }
    if (covered !== match.index) found.push({ start: covered, end: match.index, match: false });
    found.push({ start: match.index, end, match: true });
    covered = end;
    from = end;
    lastEnd = end;
  }
  if (covered !== text.length) found.push({ start: covered, end: text.length, match: false });
  return found;
}
