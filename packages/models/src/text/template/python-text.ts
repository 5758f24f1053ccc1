import { pythonFloat, type RuntimeValue } from "./python-json.ts";

/** What `str` of Python makes of a value: what Jinja prints. Nothing of an undefined one. */
export function pythonText(value: RuntimeValue): string {
  if (value.type === "StringValue") return value.value as string;
  return value.type === "UndefinedValue" ? "" : pythonRepr(value);
}

/** `repr` of Python: how a value is shown inside a list or a dict. */
export function pythonRepr(value: RuntimeValue): string {
  switch (value.type) {
    case "NullValue":
      return "None";
    case "BooleanValue":
      return value.value === true ? "True" : "False";
    case "FloatValue":
      return pythonFloat(value.value as number)
        .replace("Infinity", "inf")
        .replace("NaN", "nan");
    case "StringValue":
      return quoted(value.value as string);
    case "ArrayValue":
      return `[${(value.value as RuntimeValue[]).map(pythonRepr).join(", ")}]`;
    case "TupleValue": {
      const items = (value.value as RuntimeValue[]).map(pythonRepr);
      return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
    }
    case "ObjectValue": {
      const entries = [...(value.value as Map<string, RuntimeValue>)];
      return `{${entries.map(([key, item]) => `${quoted(key)}: ${pythonRepr(item)}`).join(", ")}}`;
    }
    default:
      return String(value.value ?? "");
  }
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
