// What the chain is measured on.

export interface ChainRow {
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly tokens: number;
}

export const chainHeadDim = 128;

/** Query heads over 8 KV heads, by tokens: Qwen3's sizes, from a decode step to a long prefill. */
export const chainRows: readonly ChainRow[] = [16, 32, 64].flatMap((queryHeads) =>
  [1, 8, 64, 512, 2048, 8192].map((tokens) => ({ queryHeads, kvHeads: 8, tokens })),
);

/** `64/8 x 8192` */
export function chainName({ queryHeads, kvHeads, tokens }: ChainRow): string {
  return `${queryHeads}/${kvHeads} x ${tokens}`;
}

/** Heads of q, k and v of all tokens. */
export function rowsOf({ queryHeads, kvHeads, tokens }: ChainRow): number {
  return (queryHeads + 2 * kvHeads) * tokens;
}

/** Bytes that the chain cannot do without: q and k read and written, k and v stored, v read. */
export function leastBytes({ queryHeads, kvHeads, tokens }: ChainRow): number {
  return tokens * chainHeadDim * 2 * (2 * (queryHeads + kvHeads) + 3 * kvHeads);
}
