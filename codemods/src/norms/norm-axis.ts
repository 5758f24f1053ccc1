import { splitWords } from "../candidates/names.ts";
import type { Value } from "../flow/value.ts";
import type { NormAxis } from "./norm-fact.ts";

/** What one size stands for, by the name it goes under. */
export type SizeMeaning = "head-dim" | "head-count" | "row" | "other" | "unknown";

const rowWords = ["hidden", "embed", "embedding", "width", "model", "inner"];

/** `headDim` is a head dim, `heads * headDim` a row, `num_heads` a count of heads. */
export function meaningOfSize(value: Value): SizeMeaning {
  switch (value.kind) {
    case "literal":
      return typeof value.value === "number" && value.value > 0 ? "head-dim" : "unknown";
    case "operation":
      return meaningOfOperation(value.operator, value.operands.map(meaningOfSize));
    case "attribute":
    case "free":
    case "param":
      return meaningOfName(value.name);
    default:
      return "unknown";
  }
}

/**
 * A row over a count of heads is a head; a head times anything is a row; half a head or twice one is none; `config.headDim
 * ?? x` is a head.
 */
function meaningOfOperation(operator: string, operands: readonly SizeMeaning[]): SizeMeaning {
  const [left, right] = operands;
  if (operator === "||" || operator === "??") return left ?? "unknown";
  if (operator === "/" || operator === "//") {
    if (left === "row" && right === "head-count") return "head-dim";
    return left === "head-dim" ? "other" : "unknown";
  }
  if (!operands.includes("head-dim")) return "unknown";
  if (operator === "*") return "row";
  return /^(?:[-+%&|^]|\*\*|<<|>>>?)$/.test(operator) ? "other" : "unknown";
}

/** Words for what a head is cut into, or for another tensor's heads: `qk_nope_head_dim`, `v_head_dim`. */
const partWords = new Set(
  "nope rope rot rotary v value half lora latent compressed index indexer".split(" "),
);

/** Whether the two names are of sizes that differ, one of them being the width of a part of a head. */
export function areOfOtherParts(a: string, b: string): boolean {
  const partsOf = (name: string) =>
    splitWords(name)
      .filter((word) => partWords.has(word))
      .join();
  return partsOf(a) !== partsOf(b);
}

function meaningOfName(name: string): SizeMeaning {
  const words = splitWords(name);
  const whole = words.join("");
  if (
    /^(?:d|hd|dh|dhead|headdim|headsize|headwidth|dimhead|dimperhead|hiddensizeperhead|kvchannels|qkheaddim|perheaddim)$/.test(
      whole,
    )
  ) {
    return "head-dim";
  }
  if (words.includes("head") && words.some((word) => ["dim", "size", "width", "dims"].includes(word)))
    return "head-dim";
  if (words.some((word) => word === "heads" || word === "head") || whole === "h") return "head-count";
  if (words.some((word) => rowWords.includes(word))) return "row";
  return /^(?:q|k|kv|qkv)(?:size|dim|width)$/.test(whole) ? "row" : "unknown";
}

/** How far a norm reaches that is constructed with these sizes (tensors made of sizes included). */
export function axisOfSizes(sizes: readonly Value[]): NormAxis {
  for (const size of sizes) {
    if (size.kind === "tuple") {
      if (size.items.filter(isMoreThanOne).length > 1) return "other";
      const last = size.items.at(-1);
      const axis = last && axisOfSizes([last]);
      if (axis !== undefined && axis !== "unknown") return axis;
    }
    if (size.kind === "call") {
      if (isMaker(size) && size.args.filter(isMoreThanOne).length > 1) return "other";
      const axis = axisOfSizes(size.args);
      if (axis !== "unknown") return axis;
    }
    if (size.kind === "literal") continue;
    const meaning = meaningOfSize(size);
    if (meaning === "head-dim") return "head";
    if (meaning === "row" || meaning === "other") return meaning;
  }
  return "unknown";
}

/** An axis that counts: `ones([1, 1, headDim])` is a vector. What is no size, such as a dtype, is none. */
function isMoreThanOne(size: Value): boolean {
  if (size.kind === "literal") return typeof size.value === "number" && size.value > 1;
  return meaningOfSize(size) !== "unknown";
}

/** `ones(heads, headDim)`: each argument is an axis. */
function isMaker({ callee }: Extract<Value, { kind: "call" }>): boolean {
  return "name" in callee && /^(?:ones|zeros|empty|rand|randn)$/.test(callee.name);
}
