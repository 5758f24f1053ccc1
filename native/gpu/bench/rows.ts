// What is measured: the grid of the seed's table, for each kind of data.

export type Dtype = "bf16" | "f16";
export type Layout = "contiguous" | "packed";
export type Cache = "warm" | "cold";

/** One table of the results: what all its rows have in common. */
export interface RowKind {
  readonly headDim: number;
  readonly dtype: Dtype;
  readonly layout: Layout;
  readonly cache: Cache;
}

export interface GridRow {
  /** Query heads per KV head. */
  readonly gqa: number;
  readonly kvHeads: number;
  readonly tokens: number;
}

/** The 112 rows of the seed's table. */
export const grid: readonly GridRow[] = [4, 8].flatMap((gqa) =>
  [1, 2, 4, 8].flatMap((kvHeads) => Array.from({ length: 14 }, (_, n) => ({ gqa, kvHeads, tokens: 2 ** n }))),
);

/** The seed's own format first: what the goals are about is measured even if the time runs out. */
export const kinds: readonly RowKind[] = [128, 64, 256].flatMap((headDim) =>
  (["bf16", "f16"] as const).flatMap((dtype) =>
    (["contiguous", "packed"] as const).flatMap((layout) =>
      (["warm", "cold"] as const).map((cache) => ({ headDim, dtype, layout, cache })),
    ),
  ),
);

/** Head dims beside the seed's, each at one large size. */
export const oddHeadDims = [80, 96, 112, 160, 192, 512, 1024];
export const largest: GridRow = { gqa: 8, kvHeads: 8, tokens: 8192 };

export const bytesPerElement = 2;

/** Bytes of q and k, which a kernel reads and writes once each. */
export function rowBytes(headDim: number, { gqa, kvHeads, tokens }: GridRow): number {
  return tokens * (gqa + 1) * kvHeads * headDim * bytesPerElement;
}

/** `bf16 D 128, contiguous, warm` */
export function nameOf({ headDim, dtype, layout, cache }: RowKind): string {
  return `${dtype} D ${headDim}, ${layout}, ${cache}`;
}

export type RowFilter = (kind: RowKind, row?: GridRow) => boolean;

/**
 * `headDim=128,dtype=bf16,tokens=1|8192`: every field named must have one of the values; empty is everything.
 * Throws for a field that rows do not have.
 */
export function filterOf(text: string): RowFilter {
  const wanted = text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [field = "", values = ""] = part.split("=");
      if (!fields.has(field) || values === "") throw new Error(`--only takes FIELD=VALUE|VALUE, got ${part}`);
      return { field, values: new Set(values.split("|")) };
    });
  return (kind, row) => {
    const known: Record<string, unknown> = { ...kind, ...row };
    return wanted.every(({ field, values }) => !(field in known) || values.has(String(known[field])));
  };
}

const fields = new Set(["headDim", "dtype", "layout", "cache", "gqa", "kvHeads", "tokens"]);
