import type { Value } from "../flow/value.ts";
import { within } from "../form/traversal.ts";
import { HolderSearch, type HoldQuestion } from "./holder-search.ts";
import { Memory } from "./memory.ts";
import { axesOf } from "./tensor-axes.ts";

/**
 * Who may still hold q or k as they were when the helper has run, in words; undefined where it is proven that nobody does, so that the
 * helper may overwrite them. Each tensor has to be new memory that the function made, no function or container of which
 * nothing is known may have been given it, and no variable that lies in the same memory is read afterwards.
 */
export function holderOf(question: HoldQuestion): string | undefined {
  const { inputs, place, profile } = question;
  const memory = memoryAt(question);
  if (place.fn.kind === "module") return "every function of the file";
  if (memory.overlap(inputs.q, inputs.k)) return "the other of the two";
  for (const side of ["q", "k"] as const) {
    const found = new HolderSearch(inputs[side], memory, question).find();
    if (found !== undefined) return `${found} may hold ${side}`;
    if (profile.viewsTokens && isScattered(inputs[side], memory)) return "nobody, but tokens in several axes";
  }
  return undefined;
}

/** Who may still hold a tensor that is given to somebody who overwrites it. */
export function keeperOf(tensor: Value, question: Omit<HoldQuestion, "inputs">): string | undefined {
  const whole = { ...question, inputs: { q: tensor, k: tensor } };
  return new HolderSearch(tensor, memoryAt(whole), whole).find();
}

function memoryAt({ trace, removed, block, place, project, callers, made }: HoldQuestion): Memory {
  const events = trace.events.filter(({ site }) => removed.some((span) => within(site.span, span)));
  const replaced = new Set<Value>([...events.map(({ value }) => value), ...(made ? [made] : [])]);
  return new Memory({ trace, place, project, replaced, block, ...(callers && { callers }) });
}

/** A part of a packed tensor whose tokens are on several axes: it cannot be seen as rows without a copy. */
function isScattered(input: Value, memory: Memory): boolean {
  const isCutWide = (axesOf(input)?.length ?? 0) > 3;
  return isCutWide && memory.of(input).some(({ path }) => path.length > 0);
}

/** Who may hold q or k besides, and whether nobody does but who called the function. */
export function holdersOf(question: HoldQuestion): { readonly holder?: string; readonly isOfCallers?: true } {
  const holder = holderOf(question);
  if (holder === undefined) return {};
  const others = holderOf({ ...question, callers: "give it up" });
  return { holder, ...(others === undefined && { isOfCallers: true as const }) };
}
