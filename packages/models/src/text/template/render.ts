import { Budget } from "./budget.ts";
import { FUNCTIONS } from "./functions.ts";
import { Interpreter } from "./interpreter.ts";
import type { Node } from "./jinja.ts";
import { parseValue } from "./json-values.ts";
import { asGiven } from "./messages.ts";
import { Scope } from "./scope.ts";
import type { Value } from "./values.ts";

const CONSTANTS: readonly (readonly [string, Value])[] = [
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
  // transformers passes these always.
  ["tools", null],
  ["documents", null],
];

/**
 * Renders a parsed template.
 *
 * @param variables by name, each as JSON text
 * @throws whatever the template raises, and `TemplateLimit`
 */
export function render(template: Node, variables: ReadonlyMap<string, string>): string {
  const names = new Scope();
  for (const [name, value] of CONSTANTS) names.set(name, value);
  for (const callable of FUNCTIONS) names.set(callable.name, callable);
  for (const [name, json] of variables) {
    const value = parseValue(json);
    names.set(name, name === "messages" ? asGiven(value) : value);
  }
  const given = [...variables.values()].reduce((sum, { length }) => sum + length, 0);
  return new Interpreter(new Budget(given)).run(template, names);
}
