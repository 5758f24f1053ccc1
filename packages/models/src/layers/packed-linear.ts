import type { Tensor } from "@qknorm/tensor";
import { assertObject, assertSizes, assertText } from "./layer-arguments.ts";
import { Linear, type LinearOptions } from "./linear.ts";

/**
 * Several projections of one input as a single matrix product: `{ q_proj: Hq * D, k_proj: Hkv * D, v_proj: Hkv * D }`
 * gives `[..., (Hq + 2 Hkv) * D]`. In the checkpoint each part is a tensor of its own.
 */
export class PackedLinear extends Linear {
  readonly #parts: Readonly<Record<string, number>>;

  /** Throws `ERR_QKNORM_ARGUMENT` for parts that are no integers from 0, and as `Linear` does. */
  constructor(inputs: number, parts: Readonly<Record<string, number>>, options: LinearOptions) {
    assertObject(parts, "the parts of a packed projection");
    assertSizes(parts, 0);
    super(
      inputs,
      Object.values(parts).reduce((sum, rows) => sum + rows, 0),
      { ...options, parts: Object.values(parts) },
    );
    this.#parts = parts;
  }

  /** The parts, as siblings of this module: rows of the packed weight, under the names the checkpoint has. */
  override *parameters(prefix = ""): Generator<[path: string, parameter: Tensor]> {
    assertText(prefix, "a prefix");
    const siblings = prefix.slice(0, prefix.lastIndexOf(".", prefix.length - 2) + 1);
    for (const [name, packed] of super.parameters()) {
      const rows = packed.split(0, Object.values(this.#parts));
      for (const [index, part] of Object.keys(this.#parts).entries()) {
        yield [`${siblings}${part}.${name}`, rows[index] as Tensor];
      }
    }
  }
}
