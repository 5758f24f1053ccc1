import type { CudaNormForm } from "../../src/index.ts";
import { type Bits, decoder, steps } from "../numbers.ts";
import type { NormCase } from "./norm-case.ts";

/**
 * Empty, or what is wrong with the buffer after a norm beside the formula's: every element within one rounding, nearly
 * all equal, and not a bit changed that is not q's or k's.
 */
export function judge(one: NormCase, after: Bits, expected = one.expected()): string {
  const mask = one.owned();
  for (let i = 0; i < after.length; i++) {
    if (mask[i] === 0 && after[i] !== expected[i])
      return `element ${i} was written, and is neither q's nor k's`;
  }
  const normed = mask.reduce((sum, is) => sum + is, 0);
  return one.form.dtype === "f32"
    ? judgeWide(after, expected)
    : judgeNarrow(one.form, normed, after, expected);
}

function judgeNarrow(form: CudaNormForm, normed: number, after: Bits, expected: Bits): string {
  const decode = decoder(form.dtype);
  // Where terms cancel, one step of the terms is many of the result.
  const cancels = form.bias !== null || form.kind === "layer";
  // With "hf", f32 arithmetic can put n on the other side of a tie; the weight stretches that step to two of y.
  const furthest = form.rounding === "hf" ? 2 : 1;
  let differing = 0;
  let twice = 0;
  for (let i = 0; i < after.length; i++) {
    if (after[i] === expected[i]) continue;
    differing += 1;
    const distance = steps(after[i]!, expected[i]!);
    if (cancels && Math.abs(decode(expected[i]!)) < 2 ** -4) continue;
    if (distance > 1) twice += 1;
    if (!(distance <= furthest)) return `element ${i} is ${distance} steps from the formula`;
  }
  if (differing > Math.max(3, 0.001 * normed)) return `${differing} of ${normed} elements differ`;
  return twice > Math.max(1, 1e-4 * normed) ? `${twice} of ${normed} elements are two steps off` : "";
}

function judgeWide(after: Bits, expected: Bits): string {
  const decode = decoder("f32");
  for (let i = 0; i < after.length; i++) {
    if (after[i] === expected[i]) continue;
    const wanted = decode(expected[i]!);
    const error = Math.abs(decode(after[i]!) - wanted) / Math.max(0.25, Math.abs(wanted));
    if (!(error < 2e-6)) return `element ${i} is off by ${error}`;
  }
  return "";
}
