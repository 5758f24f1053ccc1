import { bind } from "./arguments.ts";
import { LIMITS, TemplateLimit } from "./budget.ts";
import { pythonText } from "./python-text.ts";
import { formatTime } from "./strftime.ts";
import { type Arguments, Callable, iterate, Namespace, Range, typeName, type Value } from "./values.ts";

/** The functions that transformers gives every template. */
export const FUNCTIONS: readonly Callable[] = [
  new Callable("range", range),
  new Callable("dict", dict),
  new Callable("namespace", namespace),
  new Callable("strftime_now", (args) =>
    formatTime(new Date(), bind("strftime_now", ["format"], args).text("format", "")),
  ),
  new Callable("raise_exception", (args) => {
    throw new Error(pythonText(bind("raise_exception", ["message"], args).or("message", null)));
  }),
  // What else Jinja has, so that it is not taken for a name that is not there.
  ...["cycler", "joiner", "lipsum", "self"].map(
    (name) =>
      new Callable(name, () => {
        throw new Error(`"${name}" is not supported`);
      }),
  ),
];

/** Python's `range`, with the limit of Jinja's sandbox. */
function range(args: Arguments): Range {
  const given = args.positional.map((value) => {
    if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
    throw new Error(`'${typeName(value)}' object cannot be interpreted as an integer`);
  });
  if (given.length < 1 || given.length > 3 || args.named.size > 0)
    throw new Error("range expected 1 to 3 arguments");
  const [first, second, step = 1] = given as [number, number?, number?];
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw new Error("range() arg 3 must not be zero");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= LIMITS.items)) throw new TemplateLimit(`a range has more than ${LIMITS.items} numbers`);
  const items = Array.from({ length: count }, (_, i) => BigInt(start + i * step));
  return new Range(`range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`, items);
}

function dict({ positional, named }: Arguments): Map<string, Value> {
  if (positional.length > 1) throw new Error("dict expected at most 1 argument");
  const [from = new Map<string, Value>()] = positional;
  const entries = from instanceof Map ? [...from] : iterate(from).map(entry);
  return new Map([...entries, ...named]);
}

function entry(pair: Value): [string, Value] {
  const [key, value, ...more] = iterate(pair);
  if (value === undefined || more.length > 0) throw new Error("an element of dict() is no pair");
  if (typeof key !== "string") throw new Error("keys of dicts other than texts are not supported");
  return [key, value];
}

function namespace(args: Arguments): Namespace {
  const fields = dict(args);
  for (const name of fields.keys()) checkField(name);
  return new Namespace(fields);
}

/** @throws for a name that transformers lets no namespace have */
export function checkField(name: string): void {
  if (name.startsWith("_"))
    throw new Error(`a namespace cannot store underscore-prefixed attributes, but got '${name}'`);
}
