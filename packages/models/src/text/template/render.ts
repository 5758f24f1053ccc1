import { JinjaEnvironment, type Node } from "./jinja.ts";
import { parseWithFloats } from "./json-text.ts";
import { LimitedInterpreter, limitedRange } from "./limited-interpreter.ts";
import { formatTime } from "./strftime.ts";

/**
 * Renders a parsed template.
 *
 * @param variables by name, each as JSON text
 * @throws whatever the template raises, and `TemplateLimit`
 */
export function render(template: Node, variables: ReadonlyMap<string, string>): string {
  const environment = new JinjaEnvironment();
  for (const [name, value] of GLOBALS) environment.set(name, value);
  const interpreter = new LimitedInterpreter(environment);
  for (const [name, json] of variables)
    environment.setVariable(name, interpreter.fromJson(parseWithFloats(json)));
  return String(interpreter.evaluate(template, environment).value);
}

/** What transformers gives every template. */
const GLOBALS: readonly (readonly [string, unknown])[] = [
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
  ["range", limitedRange],
  ["strftime_now", (format: string) => formatTime(new Date(), format)],
  [
    "raise_exception",
    (message: string) => {
      throw new Error(message);
    },
  ],
];
