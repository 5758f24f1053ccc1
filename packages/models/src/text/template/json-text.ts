import { QkNormError } from "@qknorm/core";

/**
 * JSON that stays text on its way to a chat template. `JSON.parse` makes the same number of `1` and of `1.0`, which
 * Python, and so a template that prints its tools, tells apart.
 */
export class JsonText {
  readonly text: string;

  /** @throws ERR_GENERATION for a text that is not JSON; `source` names it there */
  constructor(text: string, source = "the text") {
    try {
      JSON.parse(text);
    } catch (cause) {
      const reason = (cause as Error).message.replaceAll(/\s+/g, " ").slice(0, 160);
      throw new QkNormError("ERR_GENERATION", `${source} is not valid JSON (${reason})`, { cause });
    }
    this.text = text;
  }

  /** The value, as `JSON.parse` makes it. */
  get value(): unknown {
    return JSON.parse(this.text);
  }
}

/** A number that was written with a point or an exponent. */
export class JsonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** No key of real JSON: it stands for a float while the text is parsed. */
const MARK = "\0float";
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses JSON, with a `JsonFloat` for each float. */
export function parseWithFloats(text: string): unknown {
  const marked = text.replaceAll(TOKENS, (token) =>
    token[0] !== '"' && /[.eE]/.test(token) ? `{${JSON.stringify(MARK)}:${token}}` : token,
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === "object" && value !== null && MARK in value ? new JsonFloat(Number(value[MARK])) : value,
  );
}
