/** A value of the template engine, as far as it is printed. */
export interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
}

/** Options of Python's `json.dumps` that templates may give. */
export interface DumpOptions {
  readonly indent: number | null;
  readonly ensureAscii: boolean;
  readonly sortKeys: boolean;
  /** Between items, and after a key. */
  readonly separators: readonly [string, string];
}

/** What `json.dumps` of Python prints: `1.0` stays `1.0`, and spaces stand after commas and colons. */
export function dumpJson(value: RuntimeValue, options: DumpOptions, depth = 0): string {
  switch (value.type) {
    case "NullValue":
    case "UndefinedValue":
      return "null";
    case "FloatValue":
      return pythonFloat(value.value as number);
    case "IntegerValue":
    case "BooleanValue":
      return String(value.value);
    case "StringValue":
      return dumpString(value.value as string, options);
    case "ArrayValue":
    case "TupleValue": {
      const items = (value.value as RuntimeValue[]).map((item) => dumpJson(item, options, depth + 1));
      return enclose("[", items, "]", options, depth);
    }
    case "ObjectValue":
    case "NamespaceValue": {
      const entries = [...(value.value as Map<string, RuntimeValue>)];
      if (options.sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : 1));
      const items = entries.map(
        ([key, item]) =>
          dumpString(key, options) + options.separators[1] + dumpJson(item, options, depth + 1),
      );
      return enclose("{", items, "}", options, depth);
    }
    default:
      throw new Error(`a value of type ${value.type} cannot be written as JSON`);
  }
}

/** `repr` of a Python float. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (Object.is(value, -0)) return "-0.0";
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16))
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function enclose(
  open: string,
  items: readonly string[],
  close: string,
  { indent, separators }: DumpOptions,
  depth: number,
): string {
  if (indent === null || items.length === 0) return open + items.join(separators[0]) + close;
  const line = (level: number) => `\n${" ".repeat(indent * level)}`;
  return open + line(depth + 1) + items.join(separators[0] + line(depth + 1)) + line(depth) + close;
}

function dumpString(text: string, { ensureAscii }: DumpOptions): string {
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replaceAll(/[\u007f-\uffff]/g, (unit) =>
    unit === "\u007f" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
