import { namesNormAt, speaksOfSideAt } from "./candidates.ts";
import { forwards } from "./names.ts";

/** A function, or the statements of a file itself, as far as its text goes. */
export interface CodePiece {
  /** What it is called by; undefined for what nobody calls: constructors, accessors, the file's own statements. */
  readonly calledAs: string | undefined;
  /** Half-open, in order. Those of two pieces are apart, or one holds the other. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
}

/** Those pieces of a text that have to be looked into. */
export interface NearCode<P extends CodePiece> {
  /** May come to apply a norm, if called. */
  readonly near: ReadonlySet<P>;
  /** Of these, may hold a QK-norm step, or call what does. */
  readonly traced: ReadonlySet<P>;
  /** The traced ones, and those of the near ones that they may call. */
  readonly needed: ReadonlySet<P>;
}

/**
 * Told by names alone: a piece that names no norm, and calls none that does, applies none; and where neither q nor a norm of q or k is
 * named, no norm is one of q and k. To lower a function and to work out what it computes is what takes the time, and most are neither.
 */
export function nearCode<P extends CodePiece>(text: string, pieces: readonly P[]): NearCode<P> {
  const map = new PieceMap(pieces);
  const near = map.withCallers(map.holding(namesNormAt(text)), text, new Set(pieces));
  const sides = near.size === 0 ? [] : speaksOfSideAt(text);
  const traced = map.withCallers(
    new Set([...map.holding(sides)].filter((piece) => near.has(piece))),
    text,
    near,
  );
  return { near, traced, needed: map.withCallees(traced, text, near) };
}

interface PlacedPiece<P> {
  readonly piece: P;
  readonly start: number;
  readonly end: number;
  readonly around: PlacedPiece<P> | undefined;
}

/** More names than that are looked for in one walk over all words of the text. */
const fewNames = 12;

/** Which pieces hold an offset. */
class PieceMap<P extends CodePiece> {
  readonly #placed: readonly PlacedPiece<P>[];

  constructor(pieces: readonly P[]) {
    const sorted = pieces
      .flatMap((piece) => piece.ranges.map(({ start, end }) => ({ piece, start, end })))
      .sort((a, b) => a.start - b.start || b.end - a.end);
    const placed: PlacedPiece<P>[] = [];
    let around: PlacedPiece<P> | undefined;
    for (const one of sorted) {
      while (around !== undefined && around.end <= one.start) around = around.around;
      around = { ...one, around };
      placed.push(around);
    }
    this.#placed = placed;
  }

  /** All pieces that hold one of the offsets, which only grow. */
  holding(offsets: Iterable<number>): Set<P> {
    const found = new Set<P>();
    for (const offset of offsets) for (const piece of this.#at(offset)) found.add(piece);
    return found;
  }

  /** The pieces of `found`, those of `among` that mention one of them, and so on. */
  withCallers(found: ReadonlySet<P>, text: string, among: ReadonlySet<P>): ReadonlySet<P> {
    const all = new Set(found);
    const known = new Set<string>();
    let added: readonly P[] = [...found];
    while (added.length > 0 && all.size < among.size) {
      const names = new Set(added.flatMap(({ calledAs }) => calledAs ?? []));
      for (const name of known) names.delete(name);
      for (const name of names) known.add(name);
      const callers = this.holding(mentionsAt(text, names).map(({ at }) => at));
      added = [...callers].filter((piece) => among.has(piece) && !all.has(piece));
      for (const piece of added) all.add(piece);
    }
    return all;
  }

  /** The pieces of `found`, those of `among` that are mentioned in one of them, and so on. */
  withCallees(found: ReadonlySet<P>, text: string, among: ReadonlySet<P>): ReadonlySet<P> {
    const all = new Set(found);
    const byName = new Map<string, P[]>();
    for (const piece of among) {
      if (piece.calledAs === undefined || found.has(piece)) continue;
      const same = byName.get(piece.calledAs);
      if (same === undefined) byName.set(piece.calledAs, [piece]);
      else same.push(piece);
    }
    const mentions = found.size === 0 ? [] : mentionsAt(text, new Set(byName.keys()));
    for (let size = -1; size < all.size; ) {
      size = all.size;
      for (const { at, name } of mentions) {
        if (![...this.#at(at)].some((piece) => all.has(piece))) continue;
        for (const piece of byName.get(name) ?? []) all.add(piece);
      }
    }
    return all;
  }

  *#at(offset: number): Iterable<P> {
    let [low, high] = [0, this.#placed.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#placed[middle]!.start <= offset) low = middle + 1;
      else high = middle;
    }
    for (let one = this.#placed[low - 1]; one !== undefined; one = one.around)
      if (offset < one.end) yield one.piece;
  }
}

interface NameMention {
  readonly name: string;
  readonly at: number;
}

/** Where one of the names stands as a word of its own; one that every module has (`forward`) only behind `self.` and its like. */
function mentionsAt(text: string, names: ReadonlySet<string>): readonly NameMention[] {
  const found: NameMention[] = [];
  const add = (name: string, at: number): void => {
    if (names.has(name) && isMention(text, at, name)) found.push({ name, at });
  };
  if (names.size > fewNames) {
    for (const { 0: word, index } of text.matchAll(/[\w$]+/g)) {
      add(word, index);
      if (text[index - 1] === "#") add(`#${word}`, index - 1);
    }
    return found;
  }
  for (const name of names)
    for (let at = text.indexOf(name); at !== -1 && name !== ""; at = text.indexOf(name, at + name.length))
      add(name, at);
  return found;
}

const wordPart = /[\w$]/;
const ownReceiver = /\b(?:this|self|cls)[!?]?\.$/;

function isMention(text: string, at: number, name: string): boolean {
  if (wordPart.test(text[at + name.length] ?? "")) return false;
  if (forwards.has(name)) return ownReceiver.test(text.slice(Math.max(0, at - 8), at));
  return !wordPart.test(text[at - 1] ?? "");
}
