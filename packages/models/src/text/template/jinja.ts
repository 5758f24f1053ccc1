import * as library from "@huggingface/jinja";
import type { RuntimeValue } from "./python-json.ts";

// The library's types do not resolve under NodeNext; this is what is used of it.

/** A node of a parsed template. */
export interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly operand?: Node;
  readonly filter?: Node;
  readonly callee?: Node;
  readonly object?: Node;
  readonly property?: Node;
  readonly args?: readonly Node[];
  readonly operator?: { readonly value: string };
  readonly left?: Node;
  readonly right?: Node;
}

/** The variables of a template. */
export interface Environment {
  set(name: string, value: unknown): RuntimeValue;
  setVariable(name: string, value: RuntimeValue): RuntimeValue;
}

interface JinjaInterpreter {
  readonly global: Environment;
  evaluate(node: Node | undefined, environment: Environment): RuntimeValue;
  evaluateBlock(statements: readonly Node[], environment: Environment): RuntimeValue;
  evaluateArguments(
    args: readonly Node[],
    environment: Environment,
  ): [RuntimeValue[], Map<string, RuntimeValue>];
}

interface Jinja {
  readonly tokenize: (
    source: string,
    options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean },
  ) => unknown;
  readonly parse: (tokens: unknown) => Node;
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => JinjaInterpreter;
}

const jinja = library as unknown as Jinja;

export const { Environment: JinjaEnvironment, Interpreter } = jinja;

/** Parses a template as transformers sets Jinja up; line ends become \n, as in Jinja. @throws for what is not Jinja */
export function parseTemplate(source: string): Node {
  const text = source.replaceAll(/\r\n?/g, "\n");
  return jinja.parse(jinja.tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
}
