import { encodeBf16, encodeF16 } from "@qknorm/core";
import { expect } from "vitest";
import type { Tensor } from "../src/tensor.ts";

// Patterns as integers that count up through zero, so that neighbours differ by one.
function ordinal(dtype: "bf16" | "f16", value: number): number {
  const pattern = dtype === "bf16" ? encodeBf16(value) : encodeF16(value);
  return pattern & 0x8000 ? -(pattern & 0x7fff) : pattern;
}

/** What an exact result is compared with. */
export interface Bound {
  /** f32: the allowed distance, relative to `magnitudes`. */
  readonly relative: number;
  /** By default the largest exact value of each element's row. */
  readonly magnitudes?: ArrayLike<number> | undefined;
}

/**
 * Collects how far results are from the exact ones. f32: within the bound. 16 bits: at most 1 ulp (or the bound, where
 * terms cancel to less than they had), and equal on at least 99.5 % of all elements that a test saw.
 */
export class Distance {
  #seen = 0;
  #equal = 0;

  add(out: Tensor, exact: ArrayLike<number>, { relative, magnitudes }: Bound): void {
    const { dtype } = out;
    const got = out.toNumbers();
    expect(got).toHaveLength(exact.length);
    const row = out.shape.at(-1) as number;
    const rows = Array.from({ length: exact.length / row }, (_, n) =>
      Math.max(...Array.from({ length: row }, (_, i) => Math.abs(exact[n * row + i] as number))),
    );
    for (let i = 0; i < got.length; i++) {
      const [mine, theirs] = [got[i] as number, exact[i] as number];
      let near =
        Math.abs(mine - theirs) <= relative * (magnitudes?.[i] ?? (rows[Math.floor(i / row)] as number));
      if (dtype === "bf16" || dtype === "f16") {
        const ulps = Math.abs(ordinal(dtype, mine) - ordinal(dtype, theirs));
        this.#seen++;
        if (ulps === 0) this.#equal++;
        near ||= ulps <= 1;
      }
      if (!near) expect.fail(`element ${i} of ${dtype} [${out.shape}] is ${mine}, exactly ${theirs}`);
    }
  }

  /** Expects the share of equal 16-bit elements. */
  check(): void {
    expect(this.#seen).toBeGreaterThan(0);
    expect(this.#equal / this.#seen).toBeGreaterThanOrEqual(0.995);
  }
}
