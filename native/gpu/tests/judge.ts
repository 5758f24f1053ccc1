import { type Bits, decoder, steps } from "../numbers.ts";
import type { Candidate, NormCase } from "./norm-case.ts";

/** What f32 arithmetic may add to a value, as a share of the terms it was made of: a few roundings of 2^-24. */
const arithmetic = 2 ** -20;

/**
 * Empty, or what is wrong with the buffer after a norm beside the formula's: every element within one rounding of it,
 * nearly all equal, and not a bit changed that is not q's or k's.
 */
export function judge(one: NormCase, after: Bits, expected = one.expected()): string {
  const mask = one.owned();
  let normed = 0;
  let differing = 0;
  for (let i = 0; i < after.length; i++) {
    normed += mask[i] as number;
    if (after[i] === expected[i]) continue;
    if (mask[i] === 0) return `element ${i} was written, and is neither q's nor k's`;
    differing += 1;
    if (!one.candidates(i).some((candidate) => isNear(one, after[i] as number, candidate))) {
      const decode = decoder(one.form.dtype);
      return `element ${i} is ${decode(after[i] as number)}, the formula's ${decode(expected[i] as number)}`;
    }
  }
  const allowed = one.form.dtype === "f32" ? normed : Math.max(3, 0.001 * normed);
  return differing > allowed ? `${differing} of ${normed} elements differ` : "";
}

function isNear({ form }: NormCase, bits: number, { value, terms }: Candidate): boolean {
  const got = decoder(form.dtype)(bits);
  const error = Math.abs(got - value);
  // Where terms cancel, one step of the terms is many of the result.
  if (error <= arithmetic * terms) return true;
  return form.dtype !== "f32" && steps(bits, form.dtype, value) <= 1;
}
