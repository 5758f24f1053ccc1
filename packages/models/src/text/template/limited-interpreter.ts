import { type Environment, Interpreter, type Node } from "./jinja.ts";
import { JsonFloat } from "./json-text.ts";
import { type DumpOptions, dumpJson, type RuntimeValue } from "./python-json.ts";

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
    const value = this.#dump(node, environment) ?? super.evaluate(node, environment);
    checkSize(value.value);
    if (node !== undefined && MAKERS.includes(node.type)) this.#count(node.type, value.value);
    return value;
  }

  /** A value of the template engine for a parsed JSON value. */
  fromJson(json: unknown): RuntimeValue {
    return super.evaluate(literal(json), this.global);
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

  #dump(node: Node | undefined, environment: Environment): RuntimeValue | null {
    if (node?.type !== "FilterExpression") return null;
    const { operand, filter } = node;
    if ((filter?.callee ?? filter)?.value !== "tojson") return null;
    const [, given] = this.evaluateArguments(filter?.args ?? [], environment);
    const text = dumpJson(this.evaluate(operand, environment), dumpOptions(given));
    return super.evaluate({ type: "StringLiteral", value: text }, environment);
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
