import { QkNormError } from "@qknorm/core";
import { shown } from "../../checkpoint/shown-value.ts";
import { assertText } from "../../layers/layer-arguments.ts";

/**
 * JSON that stays text on its way to a chat template. `JSON.parse` makes the same number of `1` and of `1.0`, rounds
 * large integers and sorts keys that are numbers; Python, and so a template that prints its tools, does not.
 */
export class JsonText {
  readonly text: string;

  /** @throws ERR_GENERATION for a text that is not JSON; `source` names it there */
  constructor(text: string, source = "the text") {
    if (typeof text !== "string")
      throw new QkNormError("ERR_GENERATION", `JSON must be in a string, got ${shown(text)}`);
    assertText(source, "the name of a text");
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
