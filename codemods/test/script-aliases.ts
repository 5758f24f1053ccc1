/**
 * TypeScript models in which somebody keeps q or k as it was before the step, or seems to. Each returns what was kept, so that a helper that
 * overwrites its inputs shows. A seed names a case.
 */
import { type Pick, picker } from "./python-spellings.ts";

/** Statements before the step, `$` being the tensor that is kept, and what the model returns besides. */
interface Keeper {
  readonly before: readonly string[];
  readonly kept?: string;
}

const keepers: Readonly<Record<string, Keeper>> = {
  nobody: { before: [] },
  "a name": { before: ["const raw = $;"], kept: "raw" },
  "an array": { before: ["const raw = [v, $];"], kept: "raw[1]" },
  "an object": { before: ["const raw = { x: $ };"], kept: "raw.x" },
  "a method of an object": {
    before: ["const raw = { get: () => $ };", "const got = raw.get();"],
    kept: "got",
  },
  "a push": { before: ["const raw = [];", "raw.push($);"], kept: "raw[0]" },
  "taps of the module": { before: ["this.taps.push($);"], kept: "this.taps.at(-1)" },
  "a spread": { before: ["const raw = [...[v, $]];"], kept: "raw[1]" },
  "a rest": { before: ["const [, ...raw] = [v, $];"], kept: "raw[0]" },
  "a concatenation": { before: ["const raw = [v].concat([$]);"], kept: "raw[1]" },
  "a map": { before: ["const raw = new Map();", 'raw.set("x", $);'], kept: 'raw.get("x")' },
  "an attribute": { before: ["this.raw = $;"], kept: "this.raw" },
  "a bound function": { before: ["const later = same.bind(undefined, $);"], kept: "later()" },
  "a default": { before: ["const later = (x = $) => x;"], kept: "later()" },
  "a closure": { before: ["const raw = $;", "const later = () => raw;"], kept: "later()" },
  "a closure before the variable": {
    before: ["const later = () => raw;", "const raw = $;"],
    kept: "later()",
  },
  "a variable of the module": { before: ["outer = $;"], kept: "peek()" },
  "a conditional expression": { before: ["const raw = this.ownK ? $ : v;"], kept: "raw" },
  "??": { before: ["const raw = this.nothing ?? $;"], kept: "raw" },
  "an assignment inside": { before: ["let raw;", "same((raw = $));"], kept: "raw" },
  "a chain": { before: ["let raw, other;", "raw = other = $;"], kept: "raw" },
  "a loop": { before: ["let raw;", "for (const x of [v, $]) raw = x;"], kept: "raw" },
  "both branches": {
    before: [
      "let raw;",
      "if (this.ownK) {",
      "$ = $.mul(2);",
      "raw = $;",
      "} else {",
      "$ = same($);",
      "raw = $;",
      "}",
    ],
    kept: "raw",
  },
  "a handler": {
    before: ["let raw;", "try {", "throw [$];", "} catch (held) {", "raw = held;", "}"],
    kept: "raw[0]",
  },
  "another dtype, perhaps": { before: ["const raw = $.to(v.dtype);"], kept: "raw" },
  "a view": { before: ["const raw = $.reshape([-1]);"], kept: "raw" },
  "its data": { before: ["const raw = $.data;"], kept: "raw" },
  "a function that does nothing": { before: ["const raw = same($);"], kept: "raw" },
  "a class": { before: ["const raw = new Box($);"], kept: "raw.held" },
  "a comma": { before: ["const raw = (same(v), $);"], kept: "raw" },
  "??=": { before: ["let raw = this.nothing;", "raw ??= $;"], kept: "raw" },
  "a class expression": {
    before: ["const Raw = class { get() { return $; } };", "const raw = new Raw().get();"],
    kept: "raw",
  },
  "a class declared inside": {
    before: ["class Raw { get() { return kept; } }", "const kept = $;"],
    kept: "new Raw().get()",
  },
  "the case of a switch": {
    before: [
      "let raw = v;",
      "switch (this.mode) {",
      "case 1:",
      "raw = $;",
      "break;",
      "default:",
      "raw = v;",
      "}",
    ],
    kept: "raw",
  },
  "a method called like a tensor's": { before: ["const tap = new Tap();", "tap.log($);"], kept: "tap.held" },
  "a product": { before: ["const raw = $.mul(1);"], kept: "raw" },
  "a clone": { before: ["const raw = $.clone();"], kept: "raw" },
  "its shape": { before: ["const raw = $;", "this.width = raw.shape.at(-1);"] },
};

export interface AliasCase {
  readonly text: string;
  readonly traits: readonly string[];
}

export function aliasCase(seed: number): AliasCase {
  const pick = picker(seed);
  const name = pick(Object.keys(keepers));
  const { before, kept } = keepers[name]!;
  const x = pick(["q", "k"]);
  const isGuarded = pick([true, false]);
  const order = pick([
    ["q", "k"],
    ["k", "q"],
  ] as const);
  const steps = order.flatMap((side) => sideLines(side, pick));
  const said = (line: string) => line.replaceAll("$", x);
  const step = isGuarded ? ["if (this.useQkNorm) {", ...steps, "}"] : steps;
  const result = kept === undefined ? "[q, k, v]" : `[q, k, v, ${said(kept)}]`;
  return {
    traits: [name, x, isGuarded ? "under a guard" : "plain"],
    text: model([...before.map(said), ...step], result),
  };
}

function sideLines(x: string, pick: Pick): readonly string[] {
  const rows = `${x}.reshape([-1, this.headDim])`;
  return pick([
    [`${x} = this.${x}Norm.forward(${rows}).reshape(${x}.shape);`],
    [`const ${x}Rows = ${rows};`, `${x} = this.${x}Norm.forward(${x}Rows).reshape(${x}.shape);`],
    [`const ${x}Normed = this.${x}Norm.forward(${rows});`, `${x} = ${x}Normed.reshape(${x}.shape);`],
  ]);
}

function model(lines: readonly string[], result: string): string {
  return `import { RmsNorm } from "./norms";

let outer: any;
const peek = () => outer;
const same = (x: any) => x;
class Box { constructor(readonly held: any) {} }
class Tap { held: any; log(x: any) { this.held = x; } }

export class Attention {
  readonly headDim: number;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly taps: any[] = [];
  readonly nothing = undefined;
  readonly ownK = false;
  readonly mode = 1;
  readonly useQkNorm = true;

  constructor(config: any) {
    this.headDim = config.headDim;
    this.qNorm = new RmsNorm(ones(config.headDim), config.eps);
    this.kNorm = new RmsNorm(ones(config.headDim), config.eps);
  }

  forward(x: any) {
    let q = this.qProj.forward(x);
    let k = this.kProj.forward(x);
    const v = this.vProj.forward(x);
${lines.map((line) => `    ${line}\n`).join("")}    return ${result};
  }
}
`;
}
