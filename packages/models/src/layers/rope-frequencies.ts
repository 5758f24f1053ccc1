import type { Llama3Parameters, RopeParameters, YarnParameters } from "../checkpoint/rope-parameters.ts";

const { fround } = Math;

/** The angle of each rotated pair per position. */
export interface RopeFrequencies {
  /** f32, half as many as values of a head that are rotated. */
  readonly inverse: Float32Array;
  /** cos and sin are multiplied by it. */
  readonly attentionFactor: number;
}

/**
 * The frequencies of a sequence of so many tokens, rounded to f32 where transformers rounds
 * (`modeling_rope_utils.py`). Only "dynamic" and "longrope" depend on the length.
 *
 * @param rotaryDim R, values of a head that they are made for
 */
export function ropeFrequencies(rope: RopeParameters, rotaryDim: number, tokens: number): RopeFrequencies {
  switch (rope.type) {
    case "default":
      return plain(inverseOf(powers(rope.theta, rotaryDim)));
    case "linear":
      return plain(inverseOf(powers(rope.theta, rotaryDim)).map((f) => f / fround(rope.factor)));
    case "proportional":
      return plain(proportional(rope.theta, rotaryDim, rope.proportion, rope.factor));
    case "dynamic":
      return plain(inverseOf(powers(dynamicTheta(rope, rotaryDim, tokens), rotaryDim)));
    case "yarn":
      return { inverse: yarn(rope, rope.theta, rotaryDim), attentionFactor: rope.attentionFactor };
    case "llama3":
      return plain(llama3(rope, inverseOf(powers(rope.theta, rotaryDim))));
    case "longrope": {
      const factors = tokens > rope.originalPositions ? rope.longFactors : rope.shortFactors;
      const stretched = powers(rope.theta, rotaryDim).map((power, i) => fround(factors[i] as number) * power);
      return { inverse: inverseOf(stretched), attentionFactor: rope.attentionFactor };
    }
  }
}

/** Up to which length the frequencies stay what they are for one token; Infinity where they never change. */
export function lengthOfFirstFrequencies(rope: RopeParameters): number {
  if (rope.type === "dynamic") return rope.maxPositions;
  return rope.type === "longrope" ? rope.originalPositions : Number.POSITIVE_INFINITY;
}

function plain(inverse: Float32Array): RopeFrequencies {
  return { inverse, attentionFactor: 1 };
}

/** f32 `theta^(2i / dim)`, one for each pair; of an odd number of values the last pairs with the next. */
function powers(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: Math.ceil(dim / 2) }, (_, i) => theta ** fround((2 * i) / dim));
}

function inverseOf(values: Float32Array): Float32Array {
  return values.map((value) => 1 / value);
}

/** The first share of the frequencies; the other pairs stand still. */
function proportional(theta: number, dim: number, proportion: number, factor: number): Float32Array {
  const turning = Math.floor(Math.floor(proportion * dim) / 2);
  return inverseOf(powers(theta, dim)).map((f, i) => (i < turning ? f / fround(factor) : 0));
}

/** NTK-aware base for what goes beyond the trained context; f32, since transformers has the length as a tensor. */
function dynamicTheta(
  { theta, factor, maxPositions }: { theta: number; factor: number; maxPositions: number },
  dim: number,
  tokens: number,
): number {
  if (tokens <= maxPositions) return theta;
  const ratio = fround(fround(fround(factor * tokens) / maxPositions) - (factor - 1));
  return fround(theta * fround(ratio ** (dim / (dim - 2))));
}

function yarn(rope: YarnParameters, theta: number, dim: number): Float32Array {
  const correction = (rotations: number) =>
    (dim * Math.log(rope.originalPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const whole = (value: number, round: (value: number) => number) => (rope.truncate ? round(value) : value);
  const low = Math.max(whole(correction(rope.betaFast), Math.floor), 0);
  const high = Math.min(whole(correction(rope.betaSlow), Math.ceil), dim - 1);
  const width = fround(low === high ? 0.001 : high - low);
  // transformers makes a ramp of dim / 2 values, rounded down: of three values both pairs share its one, of one there is none.
  const ramps = Math.floor(dim / 2);
  return powers(theta, ramps === 0 ? 0 : dim).map((power, i) => {
    const step = Math.min(i, ramps - 1);
    const ramp = Math.min(Math.max(fround(fround(step - fround(low)) / width), 0), 1);
    const kept = fround(1 - ramp);
    const stretched = fround(1 / fround(fround(rope.factor) * power));
    return fround(stretched * fround(1 - kept)) + fround(fround(1 / power) * kept);
  });
}

/** Llama 3.1: long waves are stretched, short ones kept, those between mixed. */
function llama3(rope: Llama3Parameters, inverse: Float32Array): Float32Array {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalPositions } = rope;
  return inverse.map((frequency) => {
    const wave = fround(fround(2 * Math.PI) / frequency);
    if (wave < originalPositions / high) return frequency;
    if (wave > originalPositions / low) return frequency / fround(factor);
    const smooth = fround(fround(fround(originalPositions / wave) - fround(low)) / fround(high - low));
    const stretched = fround(fround(fround(1 - smooth) * frequency) / fround(factor));
    return stretched + fround(smooth * frequency);
  });
}
