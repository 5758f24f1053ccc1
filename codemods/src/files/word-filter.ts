/**
 * The words of a file, as a Bloom filter of a sixteenth of its size: so a word is looked for in a few files of a large repository
 * instead of in all, and nothing is kept but the filters.
 */
export class WordFilter {
  readonly #bits: Uint8Array;

  constructor(text: Uint8Array) {
    this.#bits = new Uint8Array(2 ** Math.ceil(Math.log2(Math.max(64, text.length / 16))));
    let hash = seed;
    let isIn = false;
    for (const byte of text) {
      if (isWordByte[byte] === 1) {
        hash = Math.imul(hash ^ byte, prime);
        isIn = true;
      } else if (isIn) {
        this.#add(hash);
        hash = seed;
        isIn = false;
      }
    }
    if (isIn) this.#add(hash);
  }

  /** Whether the word with this hash may be in the file; false only if it is not. */
  mayHold(hash: number): boolean {
    return this.#has(hash) && this.#has(second(hash));
  }

  #add(hash: number): void {
    for (const one of [hash, second(hash)]) {
      const bit = one >>> 0;
      const at = (bit >>> 3) & (this.#bits.length - 1);
      this.#bits[at] = this.#bits[at]! | (1 << (bit & 7));
    }
  }

  #has(hash: number): boolean {
    const bit = hash >>> 0;
    return (this.#bits[(bit >>> 3) & (this.#bits.length - 1)]! & (1 << (bit & 7))) !== 0;
  }
}

/** Of a word without its `#`. */
export function hashOf(word: string): number {
  let hash = seed;
  for (const byte of Buffer.from(word.replace(/^#/, ""))) hash = Math.imul(hash ^ byte, prime);
  return hash;
}

// FNV-1a, 32 bits.
const seed = 0x811c9dc5;
const prime = 0x01000193;

/** Letters, digits, `_` and `$`; all of UTF-8 beyond ASCII. */
const isWordByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 128 || /[\w$]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

function second(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}
