import { pythonRepr, pythonText } from "./python-text.ts";
import { type Arguments, Tuple, type Value } from "./values.ts";

/** `%` of Python on a text: `%s`, `%r`, `%d`, `%.2f` and `%%`; other fields are refused. */
export function formatPercent(text: string, right: Value): string {
  const values = right instanceof Tuple ? right.items : [right];
  let used = 0;
  const made = text.replaceAll(
    /%(?:\.(\d{1,2}))?(.?)/gsu,
    (field, digits: string | undefined, kind: string) => {
      if (field === "%%") return "%";
      if (used >= values.length) throw new Error("not enough arguments for format string");
      const value = values[used++]!;
      if (digits === undefined && kind === "s") return pythonText(value);
      if (digits === undefined && kind === "r") return pythonRepr(value);
      if (digits === undefined && (kind === "d" || kind === "i") && typeof value === "bigint")
        return String(value);
      if (kind === "f" && (typeof value === "number" || typeof value === "bigint"))
        return fixed(Number(value), Number(digits ?? 6));
      throw new Error(`the format "${field}" is not supported for this value`);
    },
  );
  if (used < values.length && !(right instanceof Map))
    throw new Error("not all arguments converted during string formatting");
  return made;
}

/** `str.format` with plain fields: `{}`, `{0}`, `{name}`; others are refused. */
export function formatBraces(text: string, { positional, named }: Arguments): string {
  let next = 0;
  return text.replaceAll(/\{\{|\}\}|\{(\w*)\}|[{}]/g, (field, name: string | undefined) => {
    if (field === "{{" || field === "}}") return field[0]!;
    if (name === undefined) throw new Error("a field of format() is not supported");
    const value = /^\d+$/.test(name)
      ? positional[Number(name)]
      : name === ""
        ? positional[next++]
        : named.get(name);
    if (value === undefined) throw new Error(`format() has no value for "${field}"`);
    return pythonText(value);
  });
}

/** As many digits after the point, of two equally near numbers the even one, as Python does. */
export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  const exact = Math.abs(value).toFixed(Math.min(100, digits + 60));
  const rest = exact.slice(exact.indexOf(".") + 1 + digits);
  if (!/^50*$/.test(rest) || /[13579]$/.test(exact.slice(0, exact.length - rest.length).replace(".", "")))
    return text;
  // A tie above an even digit: down, where JavaScript rounds up.
  const down = exact.slice(0, exact.length - rest.length).replace(/\.$/, "");
  return value < 0 ? `-${down}` : down;
}
