import { Namespace, Range, Tuple, typeName, Undefined, type Value, View } from "./values.ts";

/** What `str` of Python makes of a value: what Jinja prints. Nothing of an undefined one. */
export function pythonText(value: Value): string {
  if (typeof value === "string") return value;
  return value instanceof Undefined ? "" : pythonRepr(value);
}

/** `repr` of Python: how a value is shown inside a list or a dict. @throws for what shows an address in memory */
export function pythonRepr(value: Value): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "bigint":
      return String(value);
    case "boolean":
      return value ? "True" : "False";
    case "number":
      return pythonFloat(value);
    default:
  }
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${quoted(key)}: ${pythonRepr(item)}`).join(", ")}}`;
  if (value instanceof Tuple) {
    const items = value.items.map(pythonRepr);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  if (value instanceof View) return `${typeName(value)}([${value.items.map(pythonRepr).join(", ")}])`;
  if (value instanceof Range) return value.text;
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Namespace) return `<Namespace ${pythonRepr(value.fields)}>`;
  throw new Error(`a value of type ${typeName(value)} cannot be printed`);
}

/** `repr` of a Python float. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16))
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

// Python escapes what it calls not printable: control and format characters, and all spaces but the plain one.
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll(/[\\\p{C}\p{Z}]/gu, (char) => {
    const code = char.codePointAt(0)!;
    if (char === " ") return char;
    if (ESCAPES[char] !== undefined) return ESCAPES[char];
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote;
}
