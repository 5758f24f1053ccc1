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

  // Texts of code, numbers with exponents, (1,), chains of comparisons, HTML, other blocks; and what prints an address.
  it("is refused only where it is said", () => {
    const refused = ours.filter((feature) => feature.ours === null && feature.text !== null);
    expect(refused.map(({ template }) => template)).toMatchInlineSnapshot(`
      [
        "{{ 1e3 }}",
        "{{ "<a>"|e }}",
        "{{ (1,) }}",
        "{{ 1e20 }}",
        "{{ 1e-7 }}",
        "{{ 100000000000000000000 }}",
        "{{ "a\\tb".expandtabs() }}",
        "{{ {'items': 5}.items }}",
        "{{ [1,2,3]|select('odd') }}",
        "{{ [1,2]|map('string') }}",
        "{{ [3,1]|reverse }}",
        "{{ range(4).index }}",
        "{{ 12345678901234567890 }}",
        "{{ "a\\d" }}",
        "{{ 1.5e3 }}",
        "{{ 1_000 }}",
        "{{ 0x10 }}",
        "{{ lipsum() }}",
        "{{ cycler('a') }}",
        "{{ self }}",
        "{{ messages.__class__ }}",
        "{% with a = 1 %}{{ a }}{% endwith %}",
        "{% autoescape true %}{{ '<' }}{% endautoescape %}",
        "{% block a %}x{% endblock %}",
      ]
    `);
  });
});
