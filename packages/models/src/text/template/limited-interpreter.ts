import { type Environment, Interpreter, type Node } from "./jinja.ts";
import { JsonFloat } from "./json-text.ts";
import { type DumpOptions, dumpJson, type RuntimeValue } from "./python-json.ts";
import { isNumber, pythonEquals, pythonModulo, pythonStrip, STRIPS } from "./python-operators.ts";
import { pythonText } from "./python-text.ts";

/** What one rendering may do; the longest templates of published models stay a hundred times below. */
export const LIMITS = {
  /** Nodes of the template that are evaluated. */
  steps: 5_000_000,
  /** Characters of a text. */
  characters: 2 ** 22,
  /** Items of a list, and numbers of a `range`: Jinja's own sandbox has the same. */
  items: 100_000,
  /** Characters, and items, of all texts and lists that calls, filters and operators make. */
  charactersInAll: 2 ** 27,
  itemsInAll: 5_000_000,
};

/** Statements that print nothing; the value of any other one is printed, also None. */
const SILENT = ["Set", "Macro", "Comment"];

const MAKERS = ["CallExpression", "FilterExpression", "BinaryExpression"];

/** Says which limit a template ran into. */
export class TemplateLimit extends Error {}

/**
 * Runs a template with limits on its steps and on the size of every value, so that it can neither fill the memory nor
 * make a text of any length. Time is limited outside. JSON is written as Python writes it.
 */
export class LimitedInterpreter extends Interpreter {
  #steps = 0;
  #characters = 0;
  #items = 0;

  override evaluate(node: Node | undefined, environment: Environment): RuntimeValue {
    this.#steps += 1;
    if (this.#steps > LIMITS.steps) throw new TemplateLimit(`it takes more than ${LIMITS.steps} steps`);
    const value = this.#asPython(node, environment) ?? super.evaluate(node, environment);
    checkSize(value.value);
    if (node !== undefined && MAKERS.includes(node.type)) this.#count(node.type, value.value);
    return value;
  }

  /** The texts of what stands in a block, in turn; a value is printed as Python prints it. */
  override evaluateBlock(statements: readonly Node[], environment: Environment): RuntimeValue {
    let text = "";
    for (const statement of statements) {
      const value = this.evaluate(statement, environment);
      if (!SILENT.includes(statement.type)) text += pythonText(value);
    }
    return this.#text(text);
  }

  /** A value of the template engine for a parsed JSON value. */
  fromJson(json: unknown): RuntimeValue {
    return super.evaluate(literal(json), this.global);
  }

  /** What the library does unlike Python; null for all else. */
  #asPython(node: Node | undefined, environment: Environment): RuntimeValue | null {
    switch (node?.type) {
      case "BinaryExpression":
        return this.#operate(node, environment);
      case "FilterExpression":
        return this.#filter(node, environment);
      case "CallExpression":
        return this.#callMethod(node, environment);
      default:
        return null;
    }
  }

  #operate({ operator, left, right }: Node, environment: Environment): RuntimeValue | null {
    const name = operator?.value ?? "";
    if (!["~", "==", "!=", "%"].includes(name)) return null;
    const [a, b] = [this.evaluate(left, environment), this.evaluate(right, environment)];
    if (name === "~") return this.#text(pythonText(a) + pythonText(b));
    if (name !== "%") return this.fromJson(pythonEquals(a, b) === (name === "=="));
    if (!isNumber(a) || !isNumber(b)) throw new Error(`Unknown operator "%" between ${a.type} and ${b.type}`);
    const rest = pythonModulo(Number(a.value), Number(b.value));
    return this.fromJson([a.type, b.type].includes("FloatValue") ? new JsonFloat(rest) : rest);
  }

  #filter({ operand, filter }: Node, environment: Environment): RuntimeValue | null {
    const name = (filter?.callee ?? filter)?.value;
    if (!["tojson", "string", "join", "trim"].includes(name as string)) return null;
    const value = this.evaluate(operand, environment);
    const [args, named] = this.evaluateArguments(filter?.args ?? [], environment);
    switch (name) {
      case "tojson":
        return this.#text(dumpJson(value, dumpOptions(named)));
      case "string":
        return this.#text(pythonText(value));
      case "trim":
        return this.#text(
          pythonStrip(pythonText(value), STRIPS.strip!, charsOf(args[0] ?? named.get("chars"))),
        );
      default:
        return this.#text(join(value, args[0] ?? named.get("d"), args[1] ?? named.get("attribute")));
    }
  }

  #callMethod({ callee, args }: Node, environment: Environment): RuntimeValue | null {
    const name = callee?.type === "MemberExpression" ? callee.property?.value : undefined;
    const strip = typeof name === "string" && Object.hasOwn(STRIPS, name) ? STRIPS[name] : undefined;
    if (strip === undefined && name !== "capitalize") return null;
    const { type, value } = this.evaluate(callee?.object, environment);
    if (type !== "StringValue") return null;
    const text = value as string;
    const [given] = this.evaluateArguments(args ?? [], environment);
    if (strip !== undefined) return this.#text(pythonStrip(text, strip, charsOf(given[0])));
    return this.#text(text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase());
  }

  #text(value: string): RuntimeValue {
    return super.evaluate({ type: "StringLiteral", value }, this.global);
  }

  #count(maker: string, made: unknown): void {
    // Adding texts copies nothing; what then works on the sum does.
    if (typeof made === "string" && maker !== "BinaryExpression") this.#characters += made.length;
    if (Array.isArray(made)) this.#items += made.length;
    if (this.#characters > LIMITS.charactersInAll || this.#items > LIMITS.itemsInAll) {
      const { charactersInAll, itemsInAll } = LIMITS;
      throw new TemplateLimit(
        `it makes more than ${charactersInAll} characters or ${itemsInAll} items in all`,
      );
    }
  }
}

/** `range` as Jinja's sandbox has it. */
export function limitedRange(first: number, end?: number, step = 1): number[] {
  const [start, stop] = end === undefined ? [0, first] : [first, end];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= LIMITS.items)) throw new TemplateLimit(`a range has more than ${LIMITS.items} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

function checkSize(value: unknown): void {
  if (typeof value === "string" && value.length > LIMITS.characters)
    throw new TemplateLimit(`a text has more than ${LIMITS.characters} characters`);
  if (Array.isArray(value) && value.length > LIMITS.items)
    throw new TemplateLimit(`a list has more than ${LIMITS.items} items`);
}

function join(
  value: RuntimeValue,
  separator: RuntimeValue | undefined,
  attribute: RuntimeValue | undefined,
): string {
  const items: readonly unknown[] = Array.isArray(value.value) ? value.value : [...String(value.value)];
  const texts = items.map((item) => {
    if (typeof item === "string") return item;
    const { value: fields } = item as RuntimeValue;
    const part = attribute === undefined ? item : (fields as Map<unknown, RuntimeValue>).get(attribute.value);
    return part === undefined ? "" : pythonText(part as RuntimeValue);
  });
  return texts.join(separator === undefined ? "" : pythonText(separator));
}

function charsOf(argument: RuntimeValue | undefined): string | null {
  return typeof argument?.value === "string" ? argument.value : null;
}

function dumpOptions(given: ReadonlyMap<string, RuntimeValue>): DumpOptions {
  const indent = given.get("indent")?.value;
  const separators = given.get("separators")?.value;
  const [item, key] = Array.isArray(separators)
    ? separators.map((separator: RuntimeValue) => String(separator.value))
    : [typeof indent === "number" ? "," : ", ", ": "];
  return {
    indent: typeof indent === "number" ? indent : null,
    ensureAscii: given.get("ensure_ascii")?.value === true,
    sortKeys: given.get("sort_keys")?.value === true,
    separators: [item ?? ", ", key ?? ": "],
  };
}

function literal(json: unknown): Node {
  if (json instanceof JsonFloat) return { type: "FloatLiteral", value: json.value };
  if (Array.isArray(json)) return { type: "ArrayLiteral", value: json.map(literal) };
  switch (typeof json) {
    case "string":
      return { type: "StringLiteral", value: json };
    case "number":
      return { type: Number.isInteger(json) ? "IntegerLiteral" : "FloatLiteral", value: json };
    case "boolean":
      return { type: "Identifier", value: String(json) };
    default:
      return json === null || json === undefined
        ? { type: "Identifier", value: "none" }
        : {
            type: "ObjectLiteral",
            value: new Map(Object.entries(json).map(([key, value]) => [literal(key), literal(value)])),
          };
  }
}
