import type { HeadStrides } from "./attention-form.ts";
import type { ByteRange } from "./product.ts";

/** One step: a product by its number in the form, or attention, with its operands. */
export type DecodeStep =
  | {
      readonly product: number;
      readonly eps: number;
      readonly x: ByteRange;
      readonly weight: ByteRange;
      readonly normWeight: ByteRange | null;
      readonly bias: ByteRange | null;
      readonly residual: ByteRange | null;
      readonly y: ByteRange;
    }
  | {
      readonly product: "attention";
      readonly q: ByteRange;
      readonly k: ByteRange;
      readonly v: ByteRange;
      readonly kCache: ByteRange;
      readonly vCache: ByteRange;
      readonly out: ByteRange;
      readonly qWeight: ByteRange | null;
      readonly kWeight: ByteRange | null;
    };

/** Where the keys of a token lie whose sequence has its keys in pages. All i32. */
export interface DecodePages {
  /** `[1]`: the token's own. */
  readonly slot: ByteRange;
  /** `[1]`: how many, the token's own among them. */
  readonly keys: ByteRange;
  /** `[P]`: the pages in order. */
  readonly table: ByteRange;
  /** P. */
  readonly count: number;
  /** Tokens of a page. */
  readonly size: number;
}

/** What all attention steps of a launch have in common. Strides are in bytes. */
export interface DecodeHeads {
  /** i32 `[1]`: the token's row of the tables; without pages its slot and the keys before it, too. */
  readonly position: ByteRange;
  readonly pages: DecodePages | null;
  readonly cos: ByteRange | null;
  readonly sin: ByteRange | null;
  /** P of the tables. */
  readonly places: number;
  readonly headStrides: { readonly q: number; readonly k: number; readonly v: number };
  readonly kCache: HeadStrides;
  readonly vCache: HeadStrides;
  readonly qEps: number;
  readonly kEps: number;
  readonly scale: number;
  readonly softCap: number;
  readonly kvHeads: number;
  readonly capacity: number;
  readonly window: number;
  readonly chunk: number;
  /** Of `planAttention`. */
  readonly pieces: number;
  readonly leastKeys: number;
}
