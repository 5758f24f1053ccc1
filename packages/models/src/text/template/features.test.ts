import { QkNormError } from "@qknorm/core";
import { describe, expect, it } from "vitest";
import { ChatTemplate } from "../chat-template.ts";
import golden from "../golden/template-features.golden.json" with { type: "json" };

/** The text, or null where the template is refused. */
function rendered(template: string): string | null {
  try {
    return new ChatTemplate(template).renderChat(golden.messages, { addGenerationPrompt: false });
  } catch (error) {
    if (error instanceof QkNormError) return null;
    throw error;
  }
}

const ours = golden.templates.map(({ template, text }) => ({ template, text, ours: rendered(template) }));

describe("a feature of Jinja", () => {
  // oracle/template_features.py wrote what transformers renders; null where it raises.
  it.each(ours)("is rendered as transformers renders it, or refused: $template", ({ text, ours }) => {
    if (ours !== null) expect(ours).toBe(text);
  });

  it("that published templates need is not refused", () => {
    const refused = ours.filter((feature) => feature.ours === null && feature.text !== null);
    const needed = /\.split\(|strip|loop\.|tojson|namespace|startswith|is defined|default\("x"\)|break/;
    expect(refused.map(({ template }) => template).filter((template) => needed.test(template))).toEqual([]);
  });
});
