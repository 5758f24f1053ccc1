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

/** What all attention steps of a launch have in common. Strides are in bytes. */
export interface DecodeHeads {
  readonly position: ByteRange;
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
