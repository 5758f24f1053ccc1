import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";

/** What a normalisation divides by: the root mean square, the standard deviation after centring, or the length (`l2`, `unit`). */
export type NormKind = "rms" | "layer" | "l2" | "unit";

/** What one normalised row is: each head's `D` values, or all heads of a token together. */
export type NormAxis = "head" | "row";

/**
 * Where values are rounded to the activation dtype.
 *
 * - `once`: all arithmetic wide, one rounding at the end (serving kernels, Gemma, OLMo 2)
 * - `hf`: the normalised row is rounded before the weight, then the product is rounded (Hugging Face Llama-style
 *   classes, Qwen3): two roundings, and visibly different bits in bf16. With a bias the sum is rounded as well
 *   (Chameleon): three
 */
export type NormRounding = "once" | "hf";

/**
 * A normalisation as data, enough for a kernel to run it without calling the norm module.
 *
 *     rms:    n = x / sqrt(mean(x^2) + eps)
 *     layer:  n = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
 *     l2:     n = x / sqrt(sum(x^2) + eps)
 *     unit:   n = x / max(sqrt(sum(x^2)), eps)
 *     y = n * (weightOffset + weight) + bias
 *
 * RMS is Zhang and Sennrich (2019), equation 4; layer is Ba, Kiros and Hinton (2016); unit is PyTorch's `F.normalize`. A
 * missing weight counts as a
 * factor of 1 (without the offset), a missing bias as 0.
 */
export interface NormSpec<Weight = unknown> {
  readonly kind: NormKind;
  readonly axis: NormAxis;
  /** `[D]` (one for all heads), `[H, D]` (one per head), `[H*D]` with axis `row`, or `null` for a weightless norm. */
  readonly weight: Weight | null;
  /** Same shape as the weight. */
  readonly bias?: Weight | null | undefined;
  /** Added under the root, or the least that `unit` divides by; a finite number >= 0. */
  readonly eps: number;
  /** 1 for families that store `w - 1` (Gemma, Qwen3-Next). */
  readonly weightOffset: 0 | 1;
  readonly rounding: NormRounding;
}

const choices: Readonly<Record<string, readonly unknown[]>> = {
  kind: ["rms", "layer", "l2", "unit"] satisfies NormKind[],
  axis: ["head", "row"] satisfies NormAxis[],
  rounding: ["once", "hf"] satisfies NormRounding[],
  weightOffset: [0, 1],
};

/** Throws `ERR_QKNORM_NORM` unless `spec` is a whole `NormSpec`; `side` ("q", "k") names it in the message. */
export function assertNormSpec(spec: unknown, side: string): asserts spec is NormSpec {
  const fail = (what: string): never => {
    throw new QkNormError("ERR_QKNORM_NORM", `the ${side} norm's spec ${what}`);
  };
  if (!isObject(spec)) return fail(`must be an object, got ${describe(spec)}`);
  for (const [field, allowed] of Object.entries(choices)) {
    const value: unknown = Reflect.get(spec, field);
    if (allowed.includes(value)) continue;
    fail(`has ${field} ${describe(value)}; it must be ${allowed.map(describe).join(" or ")}`);
  }
  const { weight, eps } = spec as Partial<NormSpec>;
  if (typeof eps !== "number" || !(eps >= 0) || eps === Number.POSITIVE_INFINITY) {
    fail(`has eps ${describe(eps)}; it must be a finite number >= 0`);
  }
  if (weight === undefined) fail("has no weight; use null for a weightless norm");
}

/**
 * Whether two specs ask for the same: equal numbers and names, the very same weight and bias. Throws `ERR_QKNORM_NORM` for
 * what is no object.
 */
export function sameNormSpec(a: NormSpec, b: NormSpec): boolean {
  // Calls that repeat come by here: a spec is not judged once more.
  if (!isObject(a)) assertNormSpec(a, "first");
  if (!isObject(b)) assertNormSpec(b, "second");
  return (
    a.weight === b.weight &&
    a.eps === b.eps &&
    a.kind === b.kind &&
    a.axis === b.axis &&
    a.bias === b.bias &&
    a.weightOffset === b.weightOffset &&
    a.rounding === b.rounding
  );
}

/**
 * The fields of a spec as they are now: whoever compares later compares with these. Throws `ERR_QKNORM_NORM` for what is no
 * whole spec.
 */
export function copyNormSpec<Weight>(spec: NormSpec<Weight>): NormSpec<Weight> {
  assertNormSpec(spec, "copied");
  const { kind, axis, weight, bias, eps, weightOffset, rounding } = spec;
  return Object.freeze({ kind, axis, weight, bias, eps, weightOffset, rounding });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
