import type { Bound } from "./arguments.ts";
import type { Filter, FilterList } from "./filter.ts";
import { lettersOf } from "./letters.ts";
import { formatPercent } from "./python-format.ts";
import { dumpJson } from "./python-json.ts";
import { pythonStrip } from "./python-spaces.ts";
import { pythonText } from "./python-text.ts";
import { callTextMethod, capitalized, replaced, splitLines } from "./text-methods.ts";
import { lengthOf, Tuple, typeName, type Value } from "./values.ts";

const plain = (run: (text: string) => Value): Filter => ({
  parameters: [],
  run: (value) => run(pythonText(value)),
});

/** Filters that work on a text, or make one. */
export const TEXT_FILTERS: FilterList = [
  ["upper", plain((text) => text.toUpperCase())],
  ["lower", plain((text) => text.toLowerCase())],
  ["capitalize", plain(capitalized)],
  ["title", plain((text) => titled(text))],
  ["string", plain((text) => text)],
  ["safe", plain((text) => text)],
  ["wordcount", plain((text) => BigInt(text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0))],
  [
    "trim",
    {
      parameters: ["chars"],
      run: (value, args) =>
        pythonStrip(pythonText(value), "strip", args.value("chars") == null ? null : args.text("chars", "")),
    },
  ],
  ["center", { parameters: ["width"], run: (value, args) => centred(pythonText(value), args) }],
  ["replace", { parameters: ["old", "new", "count"], run: replace }],
  ["indent", { parameters: ["width", "first", "blank"], run: indent }],
  ["truncate", { parameters: ["length", "killwords", "end", "leeway"], run: truncate }],
  ["format", { parameters: ["0", "1", "2", "3", "4", "5", "6", "7"], run: format }],
  ["tojson", { parameters: ["ensure_ascii", "indent", "separators", "sort_keys"], run: toJson }],
];

function titled(text: string): string {
  return text
    .split(/([-\s({[<]+)/u)
    .map(capitalized)
    .join("");
}

function centred(text: string, args: Bound): Value {
  return callTextMethod("center", text, { positional: [BigInt(args.int("width", 80))], named: new Map() });
}

function replace(value: Value, args: Bound): Value {
  const [old, by] = [args.value("old"), args.value("new")];
  if (old === undefined || by === undefined) throw new Error("replace needs what to replace, and by what");
  const count = args.value("count") == null ? -1 : args.int("count", -1);
  return replaced(pythonText(value), pythonText(old), pythonText(by), count);
}

function indent(value: Value, args: Bound): Value {
  if (typeof value !== "string")
    throw new Error(`indent takes a text, not a value of type ${typeName(value)}`);
  const width = args.value("width");
  const by =
    typeof width === "string" ? width : " ".repeat(Math.max(0, Math.min(args.int("width", 4), 1024)));
  const [first, ...rest] = splitLines(`${value}\n`);
  const lines = rest.map((line) => (line === "" && !args.flag("blank") ? line : by + line));
  return (args.flag("first") ? by : "") + [first ?? "", ...lines].join("\n");
}

function truncate(value: Value, args: Bound): Value {
  const length = args.int("length", 255);
  const leeway = args.int("leeway", 5);
  const end = args.text("end", "...");
  const kept = length - lettersOf(end).length;
  if (kept < 0 || leeway < 0)
    throw new Error(`truncate: no room for ${JSON.stringify(end)} in ${length} letters`);
  if (lengthOf(value) <= length + leeway) return value;
  if (typeof value !== "string")
    throw new Error(`truncate takes a text, not a value of type ${typeName(value)}`);
  const text = [...value].slice(0, kept).join("");
  const space = args.flag("killwords") ? -1 : text.lastIndexOf(" ");
  return (space < 0 ? text : text.slice(0, space)) + end;
}

function format(value: Value, args: Bound): Value {
  const values = Array.from({ length: 8 }, (_, i) => args.value(String(i))).filter(
    (item) => item !== undefined,
  );
  return formatPercent(pythonText(value), new Tuple(values));
}

/** As transformers has it: Jinja's own would escape HTML. */
function toJson(value: Value, args: Bound): Value {
  const width = args.value("indent") ?? null;
  const indentation =
    width === null
      ? null
      : typeof width === "string"
        ? width
        : " ".repeat(Math.max(0, Math.min(args.int("indent", 0), 1024)));
  const separators = args.value("separators") ?? null;
  const given = separators instanceof Tuple ? separators.items : separators;
  if (
    given !== null &&
    !(Array.isArray(given) && given.length === 2 && given.every((text) => typeof text === "string"))
  )
    throw new Error("tojson: separators must be two texts");
  const [item, key] = (given as [string, string] | null) ?? [indentation === null ? ", " : ",", ": "];
  return dumpJson(value, {
    indent: indentation,
    ensureAscii: args.flag("ensure_ascii"),
    sortKeys: args.flag("sort_keys"),
    separators: [item, key],
  });
}
