import { describe, expect, it } from "vitest";
import { ChatTemplate } from "../chat-template.ts";
import { JsonText } from "./json-text.ts";
import { pythonFloat } from "./python-text.ts";
import { formatTime } from "./strftime.ts";

const tools = '[{"default": 1.0, "n": 1, "x": 1e16, "s": "1.0 \\"2.0 é", "t": 0.00001, "u": [], "v": {}}]';

function rendered(source: string): string {
  return new ChatTemplate(source).renderChat([], { variables: { tools: new JsonText(tools) } });
}

describe("JSON in a template", () => {
  // What transformers renders.
  it("keeps 1.0 apart from 1, and is written as Python writes it", () => {
    expect(rendered("{{ tools|tojson }}")).toBe(
      '[{"default": 1.0, "n": 1, "x": 1e+16, "s": "1.0 \\"2.0 é", "t": 1e-05, "u": [], "v": {}}]',
    );
    expect(rendered("{{ tools[0].v|tojson }}{{ tools[0].default + 1 }}{{ tools[0].default == 1 }}")).toBe(
      "{}2.0True",
    );
  });

  it("is indented, sorted, and made ASCII where the template asks for it", () => {
    expect(
      rendered("{{ [1.0, {'b': 2, 'a': 'é'}]|tojson(indent=1, sort_keys=true, ensure_ascii=true) }}"),
    ).toBe('[\n 1.0,\n {\n  "a": "\\u00e9",\n  "b": 2\n }\n]');
    expect(rendered("{{ [1, {'a': 2}]|tojson(separators=(',', ':')) }}")).toBe('[1,{"a":2}]');
  });

  // What transformers renders.
  it.each([
    ["{{ none }} {{ true }} {{ missing }}|", "None True |"],
    ["{{ None }} {{ True }} {{ False }} {{ false }}|", "None True False False|"],
    [
      "{{ tools[0].u }}{{ [1, 2.0, true, none, 'é\\'\\n', \"it's\"] }}{{ ['a'] }}",
      `[][1, 2.0, True, None, "é'\\n", "it's"]['a']`,
    ],
    ["{{ {'a': [none]} }}{{ {'a': 1.0}|string }}", "{'a': [None]}{'a': 1.0}"],
    ["{{ 'a' ~ true ~ none ~ 1.0 ~ 2 }}", "aTrueNone1.02"],
    ["{{ [1, 2.0, true, 'x']|join(', ') }}{{ 'abc'|join('-') }}", "1, 2.0, True, xa-b-c"],
    ["{{ [{'k': 1}, {'k': 'b'}]|join('+', attribute='k') }}", "1+b"],
    ["{% if true %}{{ none }}{% endif %}{% set x = none %}{# c #}.", "None."],
  ])("and Python's values are printed as Python prints them: %s", (source, text) => {
    expect(rendered(source)).toBe(text);
  });

  it("can be the whole conversation", () => {
    const messages = new JsonText('[{"role": "user", "content": "hi", "weight": 2.0}]');
    expect(new ChatTemplate("{{ messages[0]|tojson }}").renderChat(messages)).toBe(
      '{"role": "user", "content": "hi", "weight": 2.0}',
    );
  });

  it("that is not JSON is refused, by the name of its source", () => {
    expect(() => new JsonText("[1,", "tools.json")).toThrow(/^tools\.json is not valid JSON/);
  });
});

// `repr` of CPython 3.11.
it.each([
  [1, "1.0"],
  [0, "0.0"],
  [-0, "-0.0"],
  [0.1, "0.1"],
  [1e15, "1000000000000000.0"],
  [1e16, "1e+16"],
  [1.5e300, "1.5e+300"],
  [1e-4, "0.0001"],
  [1e-5, "1e-05"],
  [-2.5e-7, "-2.5e-07"],
])("prints the float %d as %s", (value, text) => {
  expect(pythonFloat(value)).toBe(text);
});

it("reads a template with CRLF line ends as one with LF, as Jinja does", () => {
  expect(rendered("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\r\n")).toBe("a\nb\nc");
});

// As CPython 3.11 writes them on Linux.
it("formats a time with the fields of strftime, and refuses those that it does not know", () => {
  const date = new Date(2026, 10, 8, 15, 4, 9);
  expect(formatTime(date, "%d %b %Y, %A %B %% %I:%M:%S %p %y-%m %H")).toBe(
    "08 Nov 2026, Sunday November % 03:04:09 PM 26-11 15",
  );
  expect(formatTime(date, "%-d.%-m. %e %j %F %T %R %D %a %-I")).toBe(
    "8.11.  8 312 2026-11-08 15:04:09 15:04 11/08/26 Sun 3",
  );
  for (const field of ["%q", "%Z", "%-B", "%"])
    expect(() => formatTime(date, field)).toThrow("is not supported");
});
