import { pythonFloat } from "./python-text.ts";
import { Tuple, typeName, type Value } from "./values.ts";

/** Options of Python's `json.dumps` that templates may give. */
export interface DumpOptions {
  /** Stands before a line once for each level; null for all in one line. */
  readonly indent: string | null;
  readonly ensureAscii: boolean;
  readonly sortKeys: boolean;
  /** Between items, and after a key. */
  readonly separators: readonly [string, string];
}

/** What `json.dumps` of Python prints: `1.0` stays `1.0`, and spaces stand after commas and colons. */
export function dumpJson(value: Value, options: DumpOptions, depth = 0): string {
  switch (typeof value) {
    case "string":
      return dumpString(value, options);
    case "bigint":
    case "boolean":
      return String(value);
    case "number":
      return pythonFloat(value).replace("inf", "Infinity").replace("nan", "NaN");
    default:
  }
  if (value === null) return "null";
  if (Array.isArray(value) || value instanceof Tuple) {
    const items = (Array.isArray(value) ? value : value.items).map((item) =>
      dumpJson(item, options, depth + 1),
    );
    return enclose("[", items, "]", options, depth);
  }
  if (!(value instanceof Map)) throw new Error(`Object of type ${typeName(value)} is not JSON serializable`);
  const entries = [...value];
  if (options.sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const items = entries.map(
    ([key, item]) => dumpString(key, options) + options.separators[1] + dumpJson(item, options, depth + 1),
  );
  return enclose("{", items, "}", options, depth);
}

function enclose(
  open: string,
  items: readonly string[],
  close: string,
  { indent, separators }: DumpOptions,
  depth: number,
): string {
  if (indent === null || items.length === 0) return open + items.join(separators[0]) + close;
  const line = (level: number) => `\n${indent.repeat(level)}`;
  return open + line(depth + 1) + items.join(separators[0] + line(depth + 1)) + line(depth) + close;
}

function dumpString(text: string, { ensureAscii }: DumpOptions): string {
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replaceAll(/[\u007f-\uffff]/g, (unit) =>
    unit === "\u007f" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
