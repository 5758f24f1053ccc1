import { splitWords } from "../candidates/names.ts";
import type { Value } from "../flow/value.ts";

export type SideName = "q" | "k" | "v";

const words: Readonly<Record<string, SideName>> = {
  q: "q",
  query: "q",
  queries: "q",
  xq: "q",
  wq: "q",
  k: "k",
  key: "k",
  keys: "k",
  xk: "k",
  wk: "k",
  v: "v",
  value: "v",
  values: "v",
  xv: "v",
  wv: "v",
};

/** The side a name speaks of: `qNorm`, `key_states`. Undefined when it speaks of none, or of several. */
export function sideOfName(name: string): SideName | undefined {
  const sides = new Set(splitWords(name).flatMap((word) => words[word] ?? []));
  return sides.size === 1 ? [...sides][0] : undefined;
}

/** Whether a name speaks of q and k at once: `qk_norm`, `qkLayerNorm`. */
export function speaksOfBoth(name: string): boolean {
  const said = splitWords(name);
  const isSaid = (side: SideName) => said.some((word) => words[word] === side);
  return said.includes("qk") || (isSaid("q") && isSaid("k"));
}

/** The side a tensor belongs to by where it came from: its projection, its parameter, the attribute it was read from. */
export function sideOfValue(value: Value): SideName | undefined {
  if (!sides.has(value)) sides.set(value, originOf(value));
  return sides.get(value);
}

// Values share parts, so that without this a long function would be walked through again and again.
const sides = new WeakMap<Value, SideName | undefined>();

function originOf(value: Value): SideName | undefined {
  switch (value.kind) {
    case "param":
    case "free":
      return sideOfName(value.name);
    case "attribute":
      return sideOfName(value.name) ?? sideOfValue(value.object);
    case "reshape":
    case "norm":
    case "owned":
    case "await":
    case "item":
      return sideOfValue(value.of);
    case "call": {
      const own = sideOfValue(value.callee);
      if (own !== undefined) return own;
      const given = new Set(value.args.flatMap((arg) => sideOfValue(arg) ?? []));
      return given.size === 1 ? [...given][0] : undefined;
    }
    default:
      return undefined;
  }
}

/** The norm's name without its side: the same for the two norms of a pair. */
export function pairKey(norm: Value): string {
  if (norm.kind === "attribute") return `${norm.object.id}.${withoutSide(norm.name)}`;
  if (norm.kind === "param" || norm.kind === "free") return withoutSide(norm.name);
  return String(norm.id);
}

/** Whether two names differ only in the side that they speak of: `q_norm` and `k_norm`. */
export function isPartner(a: string, b: string): boolean {
  const sides = [sideOfName(a), sideOfName(b)];
  return (
    sides[0] !== undefined &&
    sides[1] !== undefined &&
    sides[0] !== sides[1] &&
    withoutSide(a) === withoutSide(b)
  );
}

function withoutSide(name: string): string {
  return splitWords(name)
    .filter((word) => words[word] === undefined)
    .join("_");
}
