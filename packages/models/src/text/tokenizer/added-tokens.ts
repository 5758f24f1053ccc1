import type { Piece } from "./pre-tokenizers.ts";

/** A token that is found in a text before anything else is done with it, such as `<|im_end|>`. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special: boolean;
  /** Looked for in the normalised text. */
  readonly normalized: boolean;
  /** Only where no letter or digit stands beside it. */
  readonly singleWord: boolean;
  /** Takes the spaces before it. */
  readonly lstrip: boolean;
  /** Takes the spaces after it. */
  readonly rstrip: boolean;
}

/** A piece of text between added tokens, or the id of one. */
export type Section = Piece | { readonly id: number };

const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, "u");
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, "u");
const SPACE = /\p{White_Space}/u;

interface Node {
  readonly next: Map<string, Node>;
  token: AddedToken | null;
}

/** Finds added tokens in a text: at each place the longest one, as `AddedVocabulary` of the Rust tokenizers. */
export class AddedTokenFinder {
  readonly #root: Node = { next: new Map(), token: null };

  /** @param spelled each token with its text as it is to be found, which may be normalised */
  constructor(spelled: Iterable<readonly [string, AddedToken]>) {
    for (const [text, token] of spelled) {
      if (text === "") continue;
      let node = this.#root;
      for (const unit of text.split("")) {
        const next = node.next.get(unit) ?? { next: new Map<string, Node>(), token: null };
        node.next.set(unit, next);
        node = next;
      }
      node.token ??= token;
    }
  }

  split({ text, first }: Piece): Section[] {
    const sections: Section[] = [];
    let covered = 0;
    const giveText = (end: number): void => {
      if (covered < end) sections.push({ text: text.slice(covered, end), first: first && covered === 0 });
    };
    for (let at = 0; at < text.length; ) {
      const found = this.#longestAt(text, at);
      if (found === null) {
        at += 1;
        continue;
      }
      const { token, end } = found;
      const start = at;
      at = end;
      if (token.singleWord && touchesWord(text, start, end)) continue;
      giveText(token.lstrip ? Math.max(covered, spacesBefore(text, start)) : start);
      sections.push({ id: token.id });
      covered = token.rstrip ? spacesAfter(text, end) : end;
    }
    giveText(text.length);
    return sections;
  }

  #longestAt(text: string, start: number): { token: AddedToken; end: number } | null {
    let found: { token: AddedToken; end: number } | null = null;
    let node = this.#root.next.get(text[start]!);
    for (let end = start + 1; node !== undefined; end++) {
      if (node.token !== null) found = { token: node.token, end };
      node = end < text.length ? node.next.get(text[end]!) : undefined;
    }
    return found;
  }
}

// Only the character beside it is looked at, not all that comes before.
function touchesWord(text: string, start: number, end: number): boolean {
  return (
    ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) ||
    STARTS_WITH_WORD.test(text.slice(end, end + 2))
  );
}

function spacesBefore(text: string, end: number): number {
  let start = end;
  while (start > 0 && SPACE.test(text[start - 1]!)) start -= 1;
  return start;
}

function spacesAfter(text: string, start: number): number {
  let end = start;
  while (end < text.length && SPACE.test(text[end]!)) end += 1;
  return end;
}
