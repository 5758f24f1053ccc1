import type { ts } from "ts-morph";
import { compiler } from "./compiler.ts";
import { parseScript } from "./syntax.ts";

/**
 * A script in which every class has a private member of its own. To TypeScript two classes with the same members are one type, so that
 * it takes `new Map([["q", new RmsNorm(w)], ["k", new LayerNorm(w)]])` for a map of `RmsNorm`; with the brands it is an error.
 */
export interface BrandedScript {
  readonly text: string;
  /** Where brands were put in, in the text as it was; ascending. */
  readonly insertions: readonly number[];
}

// All of one length, so that offsets can be told from the count of brands before.
const brandOf = (index: number): string => `#qknormBrand${String(index).padStart(9, "0")};`;
const brandLength = brandOf(0).length;

export function brandClasses(path: string, text: string): BrandedScript {
  const insertions: number[] = [];
  const visit = (node: ts.Node): void => {
    if (compiler.isClassLike(node)) insertions.push(node.members.pos);
    compiler.forEachChild(node, visit);
  };
  if (/\bclass\b/.test(text)) visit(parseScript(path, text));
  insertions.sort((a, b) => a - b);
  const ends = [...insertions.slice(1), text.length];
  const branded = insertions.map((at, i) => brandOf(i) + text.slice(at, ends[i]));
  return { text: text.slice(0, insertions[0] ?? text.length) + branded.join(""), insertions };
}

/** Where a node stands in the branded text that starts at `offset` of the text as it was. */
export function brandedOffset(offset: number, { insertions }: BrandedScript): number {
  return offset + brandLength * insertions.filter((at) => at <= offset).length;
}

/** The way back. */
export function originalOffset(offset: number, { insertions }: BrandedScript): number {
  return offset - brandLength * insertions.filter((at, i) => at + brandLength * i < offset).length;
}
