/** Far above any real vocabulary; keeps a corrupted id from asking for gigabytes. */
export const MAX_ID = 2 ** 22;

/** Makes token ids of one piece of text: the `model` of tokenizer.json. */
export interface TokenModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  /** @throws ERR_GENERATION for a piece that the vocabulary cannot express */
  tokenize(piece: string): readonly number[];
}

const encoder = new TextEncoder();

/** The tokens `<0xNN>` of a text's bytes; null unless the vocabulary has all of them. */
export function byteTokens(text: string, vocabulary: ReadonlyMap<string, number>): number[] | null {
  const ids: number[] = [];
  for (const byte of encoder.encode(text)) {
    const id = vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id === undefined) return null;
    ids.push(id);
  }
  return ids;
}
