import * as fc from "fast-check";

type Json = unknown;
type Path = readonly (string | number)[];

/** Values that a reader of JSON meets where it expects others. */
const strange = fc.oneof(
  fc.constantFrom<Json>(
    ...[null, true, false, 0, -0, -1, 1, 2, 3, 0.5, -0.5, 1e-45, 1e-300, 7, 64, 127, 255, 256, 65_535],
    ...[2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1e308, -1e308],
    ...[
      "",
      "a",
      "0",
      "-1",
      "NaN",
      "\u0000",
      "__proto__",
      "constructor",
      "toString",
      "\ud800",
      "x".repeat(3000),
    ],
    ...[[], {}, [[]], [null], [0], [1, 1], ["a"], { type: "x" }, { type: "Sequence", normalizers: [] }],
    ...[{ length: 3 }, { content: "a" }, { Regex: "(a*)*b" }, { Regex: "(" }, { String: "" }, { id: 0 }],
  ),
  fc.integer({ min: -4, max: 300 }),
  fc.double(),
  fc.string({ maxLength: 12, unit: "binary" }),
  fc.jsonValue({ maxDepth: 2 }),
);

interface Edit {
  readonly at: number;
  readonly how: "replace" | "remove" | "repeat" | "rename" | "from elsewhere";
  readonly value: Json;
  readonly name: string;
  readonly other: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(),
  how: fc.constantFrom("replace", "replace", "replace", "remove", "repeat", "rename", "from elsewhere"),
  value: strange,
  name: fc.constantFrom("__proto__", "constructor", "length", "", "toString", "a", "type"),
  other: fc.nat(),
});

/** A JSON value of `seeds` with one to four places changed; those that no change hits are shared with the seed. */
export function spoiltJson<T extends Json>(seeds: readonly T[]): fc.Arbitrary<Json> {
  return fc
    .tuple(fc.nat(seeds.length - 1), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([seed, edits]) => edits.reduce<Json>((json, change) => changed(json, change), seeds[seed]!));
}

function changed(json: Json, { at, how, value, name, other }: Edit): Json {
  const places = pathsOf(json);
  if (places.length === 0) return value;
  const path = places[at % places.length]!;
  const parent = path.slice(0, -1);
  const key = path.at(-1)!;
  return set(json, parent, (holder) => {
    if (Array.isArray(holder)) {
      const i = key as number;
      const list = [...holder];
      if (how === "remove") list.splice(i, 1);
      else if (how === "repeat") list.splice(i, 0, list[i]);
      else list[i] = how === "from elsewhere" ? read(json, places[other % places.length]!) : value;
      return list;
    }
    const { [key]: old, ...rest } = holder as Record<string, Json>;
    if (how === "remove") return rest;
    // As JSON.parse does, and an assignment does not: `__proto__` becomes a key like others.
    if (how === "rename") return Object.fromEntries([...Object.entries(rest), [name, old]]);
    return { ...rest, [key]: how === "from elsewhere" ? read(json, places[other % places.length]!) : value };
  });
}

/** Where values stand, a few thousand at most: of long lists and vocabularies the beginning. */
function pathsOf(json: Json, path: Path = [], found: Path[] = []): readonly Path[] {
  if (typeof json !== "object" || json === null) return found;
  const keys = Array.isArray(json) ? json.slice(0, 12).map((_, i) => i) : Object.keys(json).slice(0, 60);
  for (const key of keys) {
    if (found.length > 3000) break;
    found.push([...path, key]);
    pathsOf((json as Record<string | number, Json>)[key], [...path, key], found);
  }
  return found;
}

function read(json: Json, path: Path): Json {
  return path.reduce<Json>((value, key) => (value as Record<string | number, Json>)[key], json);
}

function set(json: Json, path: Path, change: (holder: Json) => Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return change(json);
  const inner = set((json as Record<string | number, Json>)[key], rest, change);
  if (Array.isArray(json)) return json.map((item, i) => (i === key ? inner : item));
  return { ...(json as object), [key]: inner };
}

interface ByteEdit {
  readonly at: number;
  readonly how: "byte" | "bit" | "cut" | "drop" | "copy" | "word" | "text";
  readonly value: number;
  readonly length: number;
  readonly word: bigint;
  readonly text: string;
}

const byteEdit: fc.Arbitrary<ByteEdit> = fc.record({
  at: fc.oneof(fc.nat(600), fc.nat()),
  how: fc.constantFrom("byte", "bit", "cut", "drop", "copy", "word", "text"),
  value: fc.nat(255),
  length: fc.nat(40),
  word: fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
  text: fc.constantFrom(
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "-",
    "1e999",
    "null",
    "\\u0000",
    "[0,0]",
    "F64",
    "F8_E4M3",
  ),
});

/** Bytes of `seeds` with one to six places changed, mostly near the beginning, where headers stand. */
export function spoiltBytes(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(seeds.length - 1), fc.array(byteEdit, { minLength: 1, maxLength: 6 }))
    .map(([seed, edits]) => edits.reduce(changedBytes, Buffer.from(seeds[seed]!)));
}

function changedBytes(bytes: Buffer, { at, how, value, length, word, text }: ByteEdit): Buffer {
  if (bytes.length === 0) return Buffer.from(text);
  const i = at % bytes.length;
  const after = bytes.subarray(i);
  switch (how) {
    case "byte":
      bytes[i] = value;
      return bytes;
    case "bit":
      bytes[i]! ^= 1 << (value % 8);
      return bytes;
    case "cut":
      return bytes.subarray(0, i);
    case "drop":
      return Buffer.concat([bytes.subarray(0, i), after.subarray(length)]);
    case "copy":
      return Buffer.concat([bytes.subarray(0, i), after.subarray(0, length), after]);
    case "word":
      return Buffer.concat([
        bytes.subarray(0, i - (i % 8)),
        wordBytes(word),
        bytes.subarray(i - (i % 8) + 8),
      ]);
    default:
      return Buffer.concat([bytes.subarray(0, i), Buffer.from(text), after.subarray(length % 4)]);
  }
}

function wordBytes(word: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(word);
  return bytes;
}
