import type { Span } from "../text/span.ts";
import { appliesNormAt, namesSideAt, speaksOfSideAt } from "./candidates.ts";
import { forwards } from "./names.ts";

/** A function, or the statements of a file itself, as far as its text goes. */
export interface CodePiece {
  /** What it is called by; undefined for what nobody calls: constructors, accessors, the file's own statements. */
  readonly calledAs: string | undefined;
  /** The class it is a member of, where it is called as `this.name(...)`; anything else is called as `name(...)`. */
  readonly owner: string | undefined;
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
 * `prose` are comments and strings, as far as they are known: nothing is applied there.
 */
export function nearCode<P extends CodePiece>(
  text: string,
  pieces: readonly P[],
  prose: readonly Span[] = [],
): NearCode<P> {
  const map = new PieceMap(text, pieces);
  const near = map.withCallers(map.holding(outside(prose, appliesNormAt(text))), new Set(pieces));
  const speaking = near.size === 0 ? new Set<P>() : map.holding(speaksOfSideAt(text));
  const naming = near.size === 0 ? new Set<P>() : map.holding(outside(prose, namesSideAt(text)));
  const ofSides = [...near].filter((piece) => speaking.has(piece) && naming.has(piece));
  const traced = map.withCallers(new Set(ofSides), near);
  return { near, traced, needed: map.withCallees(traced, near) };
}

/** The offsets that lie in none of the spans; both in order. */
function* outside(spans: readonly Span[], offsets: Iterable<number>): Iterable<number> {
  let next = 0;
  for (const offset of offsets) {
    while (next < spans.length && spans[next]!.end <= offset) next += 1;
    if ((spans[next]?.start ?? Number.POSITIVE_INFINITY) > offset) yield offset;
  }
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
  /** By where they start. */
  readonly #placed: readonly PlacedPiece<P>[];
  readonly #mentions: Mentions;

  constructor(text: string, pieces: readonly P[]) {
    this.#mentions = new Mentions(text, new Set(pieces.flatMap(({ calledAs }) => calledAs ?? [])));
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

  /** The pieces of `found`, those of `among` that may call one of them, and so on. */
  withCallers(found: ReadonlySet<P>, among: ReadonlySet<P>): ReadonlySet<P> {
    const all = new Set(found);
    for (let added: readonly P[] = [...found]; added.length > 0 && all.size < among.size; ) {
      const callees = byName(added);
      const callers: P[] = [];
      for (const mention of this.#mentions.of(callees.keys())) {
        const named = callees.get(mention.name) ?? [];
        for (const caller of this.#at(mention.at)) {
          if (all.has(caller) || !among.has(caller)) continue;
          if (!named.some((callee) => mayCall(caller, callee, mention))) continue;
          all.add(caller);
          callers.push(caller);
        }
      }
      added = callers;
    }
    return all;
  }

  /** The pieces of `found`, those of `among` that one of them may call, and so on. */
  withCallees(found: ReadonlySet<P>, among: ReadonlySet<P>): ReadonlySet<P> {
    const all = new Set(found);
    const named = byName([...among].filter((piece) => !found.has(piece)));
    const mentions = found.size === 0 ? [] : this.#mentions.of(named.keys());
    for (let size = -1; size < all.size; ) {
      size = all.size;
      for (const mention of mentions) {
        const callees = named.get(mention.name)?.filter((piece) => !all.has(piece)) ?? [];
        if (callees.length === 0) continue;
        const callers = [...this.#at(mention.at)].filter((piece) => all.has(piece));
        for (const callee of callees)
          if (callers.some((caller) => mayCall(caller, callee, mention))) all.add(callee);
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

function byName<P extends CodePiece>(pieces: readonly P[]): ReadonlyMap<string, readonly P[]> {
  const named = new Map<string, P[]>();
  for (const piece of pieces) {
    if (piece.calledAs === undefined) continue;
    const same = named.get(piece.calledAs);
    if (same === undefined) named.set(piece.calledAs, [piece]);
    else same.push(piece);
  }
  return named;
}

/** A name as a word of its own. */
interface NameMention {
  readonly name: string;
  readonly at: number;
  /** What stands before it: `name`, `this.name`, `other.name`. */
  readonly receiver: "none" | "own" | "other";
}

/**
 * A method is called on its own object only, by one of its class; it may have been taken out of the object into a variable. Every layer
 * has a `forward`: without `this` it is another one's.
 */
function mayCall(caller: CodePiece, callee: CodePiece, { name, receiver }: NameMention): boolean {
  if (receiver === "other" || (receiver === "none" && forwards.has(name))) return false;
  if (callee.owner === undefined) return receiver === "none";
  return caller.owner === undefined || caller.owner === callee.owner;
}

/** Where names stand. */
class Mentions {
  readonly #text: string;
  readonly #names: ReadonlySet<string>;
  /** What `this` is called in this text. */
  readonly #own: ReadonlySet<string>;
  #known: ReadonlyMap<string, readonly NameMention[]> | undefined;

  /** `names` are all that are ever asked for. */
  constructor(text: string, names: ReadonlySet<string>) {
    this.#text = text;
    this.#names = names;
    this.#own = new Set(["this", "self", "cls", ...namesOfThis(text)]);
  }

  of(names: Iterable<string>): readonly NameMention[] {
    const asked = [...names];
    if (this.#known === undefined && asked.length <= fewNames)
      return asked.flatMap((name) => this.#find(name));
    this.#known ??= this.#findAll();
    return asked.flatMap((name) => this.#known!.get(name) ?? []);
  }

  #find(name: string): readonly NameMention[] {
    const found: NameMention[] = [];
    const text = this.#text;
    for (let at = text.indexOf(name); at !== -1 && name !== ""; at = text.indexOf(name, at + name.length)) {
      const isWhole = !isWordPart(text[at - 1]) && !isWordPart(text[at + name.length]);
      if (isWhole) found.push({ name, at, receiver: this.#receiver(at) });
    }
    return found;
  }

  /** One walk over all words. */
  #findAll(): ReadonlyMap<string, readonly NameMention[]> {
    const found = new Map<string, NameMention[]>();
    const text = this.#text;
    const add = (name: string, at: number): void => {
      if (!this.#names.has(name)) return;
      const mention = { name, at, receiver: this.#receiver(at) };
      const known = found.get(name);
      if (known === undefined) found.set(name, [mention]);
      else known.push(mention);
    };
    for (const { 0: word, index } of text.matchAll(/[\w$]+/g)) {
      add(word, index);
      if (text[index - 1] === "#") add(`#${word}`, index - 1);
    }
    return found;
  }

  #receiver(at: number): NameMention["receiver"] {
    if (this.#text[at - 1] !== "." || this.#text[at - 2] === ".") return "none"; // `...name` is a call of nothing
    const receiver = lastName.exec(this.#text.slice(Math.max(0, at - 40), at))?.[1];
    return receiver !== undefined && this.#own.has(receiver) ? "own" : "other";
  }
}

/** The names that are given `this`: `const me = this;`. */
function* namesOfThis(text: string): Iterable<string> {
  for (const { index } of text.matchAll(/=\s*(?:this|self)\s*(?:[;,)\r\n]|$)/g)) {
    const name = /([\w$]+)\s*$/.exec(text.slice(Math.max(0, index - 40), index))?.[1];
    if (name !== undefined) yield name;
  }
}

const lastName = /([\w$]+)[!?]?\.$/;

function isWordPart(character: string | undefined): boolean {
  return character !== undefined && /[\w$]/.test(character);
}
