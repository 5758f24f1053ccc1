/**
 * GPT-2's letters for bytes: printable Latin-1 letters stand for themselves, the others are letters from U+0100. From
 * Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), as every byte-level BPE has them.
 */
const LETTERS: readonly string[] = makeLetters();

const BYTES: ReadonlyMap<string, number> = new Map(LETTERS.map((letter, byte) => [letter, byte]));

const encoder = new TextEncoder();

/** The UTF-8 bytes of a text, one letter each. */
export function bytesAsLetters(text: string): string {
  let letters = "";
  for (const byte of encoder.encode(text)) letters += LETTERS[byte];
  return letters;
}

/** The bytes that a token's letters stand for; the token's own UTF-8 where one letter stands for none. */
export function lettersAsBytes(token: string): number[] {
  const bytes: number[] = [];
  for (const letter of token) {
    const byte = BYTES.get(letter);
    if (byte === undefined) return [...encoder.encode(token)];
    bytes.push(byte);
  }
  return bytes;
}

function makeLetters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}
