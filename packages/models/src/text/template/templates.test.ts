import { QkNormError } from "@qknorm/core";
import { describe, expect, it } from "vitest";
import { ChatTemplate } from "../chat-template.ts";
import golden from "../golden/chat-templates.golden.json" with { type: "json" };
import { JsonText } from "./json-text.ts";

type Options = Readonly<Record<string, string>>;

/** The text, or null where the template is refused. */
function rendered(source: string, messages: string, options: Options): string | null {
  const { add_generation_prompt: prompt, enable_thinking: thinking, tools, documents } = options;
  const variables = Object.entries({ tools, documents }).filter(([, json]) => json !== undefined);
  try {
    return new ChatTemplate(source, golden.special).renderChat(new JsonText(messages), {
      addGenerationPrompt: prompt === "true",
      enableThinking: thinking === undefined ? undefined : thinking === "true",
      variables: Object.fromEntries(variables.map(([name, json]) => [name, new JsonText(json!)])),
    });
  } catch (error) {
    if (error instanceof QkNormError) return null;
    throw error;
  }
}

// oracle/chat_templates.py wrote what transformers renders; null where the template raises.
describe.each(Object.entries(golden.templates))("the template %s", (name, source) => {
  const texts = golden.texts[name as keyof typeof golden.texts];
  it.each(Object.entries(golden.conversations))("renders %s as transformers does", (talk, messages) => {
    const wanted = texts[talk as keyof typeof texts];
    const ours = Object.entries(golden.options).map(
      ([option, given]) => [option, rendered(source, messages, given as Options)] as const,
    );
    expect(Object.fromEntries(ours)).toEqual(wanted);
  });
});
