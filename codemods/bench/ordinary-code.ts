import type { Random } from "./random.ts";

/**
 * TypeScript as most files of a model repo have it, of about `lines` lines, with no QK norm in it. Some of it talks of
 * queries and of normalising other things, so that looking for those words alone does not tell the files apart.
 */
export function ordinaryCode(lines: number, random: Random): string {
  const out = [...imports(random), ""];
  while (out.length < lines) out.push(...random.pick(declarations)(random, out.length), "");
  return out.join("\n");
}

const verbs = [
  "load",
  "plan",
  "merge",
  "resolve",
  "collect",
  "schedule",
  "encode",
  "route",
  "observe",
  "evict",
];
const things = [
  "Batch",
  "Request",
  "Token",
  "Page",
  "Block",
  "Session",
  "Adapter",
  "Metric",
  "Shard",
  "Prompt",
  "Grammar",
  "Image",
];
const parts = [
  "Index",
  "Table",
  "Queue",
  "Limits",
  "Options",
  "Cursor",
  "Report",
  "Builder",
  "Store",
  "Window",
];
const types = ["number", "string", "boolean", "Float32Array", "readonly string[]", "Map<string, number>"];
const fields = [
  "length",
  "offset",
  "capacity",
  "priority",
  "deadline",
  "owner",
  "stride",
  "weight",
  "label",
  "retries",
  "query",
];

function imports(random: Random): string[] {
  const names = new Set(Array.from({ length: random.integer(2, 7) }, () => typeName(random)));
  return [...names].map(
    (name) => `import { ${name}, ${random.pick(verbs)}${name} } from "./${kebab(name)}.ts";`,
  );
}

/** Each takes the line it begins at, which makes its name the only one in the file. */
const declarations = [interfaceOf, functionOf, functionOf, classOf, tableOf];

function interfaceOf(random: Random, at: number): string[] {
  const members = Array.from({ length: random.integer(3, 9) }, () => [
    `  /** ${sentence(random)} */`,
    `  readonly ${random.pick(fields)}${random.integer(0, 99)}: ${random.pick(types)};`,
  ]);
  return [`export interface ${typeName(random)}${at} {`, ...members.flat(), "}"];
}

function functionOf(random: Random, at: number): string[] {
  const name = `${random.pick(verbs)}${typeName(random)}${at}`;
  const head = [
    `/** ${sentence(random)} */`,
    `export function ${name}(items: readonly Item[], limit = ${random.integer(1, 512)}): number {`,
  ];
  return [...head, ...statements("  ", random), "}"];
}

function classOf(random: Random, at: number): string[] {
  const methods = Array.from({ length: random.integer(2, 5) }, () => [
    "",
    `  /** ${sentence(random)} */`,
    `  ${random.pick(verbs)}${random.pick(parts)}(items: readonly Item[], limit: number): number {`,
    ...statements("    ", random),
    "  }",
  ]);
  const field = random.pick(fields);
  return [
    `export class ${typeName(random)}${at} {`,
    `  readonly #${field}: Map<string, Item>;`,
    "",
    "  constructor(entries: Iterable<[string, Item]>) {",
    `    this.#${field} = new Map(entries);`,
    "  }",
    ...methods.flat(),
    "}",
  ];
}

function tableOf(random: Random, at: number): string[] {
  const rows = Array.from(
    { length: random.integer(4, 16) },
    () =>
      `  { name: "${kebab(typeName(random))}", ${random.pick(fields)}: ${random.integer(0, 4096)}, path: "/v1/${random.pick(verbs)}?query=${random.integer(0, 99)}" },`,
  );
  return [`export const ${random.pick(verbs)}${random.pick(parts)}Rows${at} = [`, ...rows, "] as const;"];
}

/** The body of a function: sums, guards, loops, one of them in three about something that is normalised. */
function statements(indent: string, random: Random): string[] {
  const out = [`${indent}let total = 0;`];
  for (let i = random.integer(2, 6); i > 0; i--) {
    out.push(
      ...random
        .pick(blocks)(random)
        .map((line) => indent + line),
    );
  }
  return [...out, `${indent}return total / Math.max(1, items.length);`];
}

const blocks: readonly ((random: Random) => string[])[] = [
  (random) => [
    `for (const item of items) {`,
    `  if (item.${random.pick(fields)} > limit) continue; // ${sentence(random)}`,
    `  total += item.${random.pick(fields)} * ${random.integer(2, 64)};`,
    `}`,
  ],
  (random) => [
    `total += items.map(({ ${random.pick(fields)} }) => Math.sqrt(${random.integer(2, 9)} + limit)).length;`,
    `if (items.length === ${random.integer(0, 9)}) throw new RangeError(\`no ${random.pick(parts).toLowerCase()} for \${limit} items\`);`,
  ],
  (random) => [
    `for (const [at, normalized] of items.map((item) => item.${random.pick(fields)} / ${random.integer(2, 9)}).entries()) {`,
    `  total += normalized * (at + ${random.integer(0, 9)});`,
    `}`,
  ],
  (random) => [
    `switch (items[0]?.label) {`,
    `  case "${random.pick(verbs)}":`,
    `    total = Math.min(total, ${random.integer(10, 999)});`,
    `    break;`,
    `  default:`,
    `    total += ${random.integer(1, 9)};`,
    `}`,
  ],
  (random) => [`// ${sentence(random)}`, `total = Math.max(total, limit - ${random.integer(1, 99)});`],
];

function sentence(random: Random): string {
  const what = () => `${random.pick(things).toLowerCase()} ${random.pick(parts).toLowerCase()}`;
  return `${capital(random.pick(verbs))} the ${what()} before the ${what()} of each ${random.pick(things).toLowerCase()} is full.`;
}

function typeName(random: Random): string {
  return random.pick(things) + random.pick(parts);
}

function kebab(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
}

function capital(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1);
}
