import type { Value } from "./values.ts";

/** The names under which a message may have its reasoning; templates read the first. */
const REASONING = ["reasoning_content", "thinking", "reasoning"];

/**
 * Messages as transformers hands them to a template (`utils/chat_template_utils.py`): without fields that are none, and
 * with reasoning under each name that templates read.
 */
export function asGiven(messages: Value): Value {
  return Array.isArray(messages) ? messages.map(oneAsGiven) : messages;
}

function oneAsGiven(message: Value): Value {
  if (!(message instanceof Map)) return message;
  const fields = new Map([...message].filter(([, value]) => value !== null));
  const reasoning = REASONING.map((name) => fields.get(name)).find((value) => value !== undefined);
  if (reasoning === undefined) return fields;
  return new Map<string, Value>([["thinking", reasoning], ...fields, ["reasoning_content", reasoning]]);
}
