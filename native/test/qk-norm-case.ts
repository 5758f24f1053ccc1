// One call of qkNorm as data, the memory it runs on, and what the f64 reference of @qknorm/core says it must give.
import {
  decodeBf16,
  decodeF16,
  encodeBf16,
  encodeF16,
  type FloatDtype,
  type NormSpec,
  referenceNorm,
} from "@qknorm/core";
import * as fc from "fast-check";
import { randomFrom } from "../../packages/core/test/random.ts";
import {
  availableIsas,
  type CpuIsa,
  loadBinding,
  type NativeArray,
  type NormSide,
  type QkNormCall,
} from "../src/index.ts";

const loaded = loadBinding();

/** Why native tests cannot run, for `describe.skipIf`; empty when they can. */
export const missing = loaded.binding === null ? ` (skipped: ${loaded.reason})` : "";

export const isas: readonly CpuIsa[] = loaded.binding === null ? [] : availableIsas();
export const dtypes = ["f32", "bf16", "f16"] as const;
export const kinds = ["rms", "layer", "l2", "unit"] as const;
export const roundings = ["once", "hf"] as const;

export { randomFrom };

export function allocate(dtype: FloatDtype, length: number): NativeArray {
  return dtype === "f32" ? new Float32Array(length) : new Uint16Array(length);
}

export function write(dtype: FloatDtype, array: NativeArray, index: number, value: number): void {
  array[index] = dtype === "f32" ? value : dtype === "bf16" ? encodeBf16(value) : encodeF16(value);
}

export function read(dtype: FloatDtype, array: NativeArray, index: number): number {
  const stored = array[index] as number;
  return dtype === "f32" ? stored : dtype === "bf16" ? decodeBf16(stored) : decodeF16(stored);
}

export function filled(dtype: FloatDtype, length: number, value: () => number): NativeArray {
  const array = allocate(dtype, length);
  for (let i = 0; i < length; i++) write(dtype, array, i, value());
  return array;
}

/** Bits of a float array, to compare NaN with NaN and -0 with 0. */
export function bitsOf(array: NativeArray): Uint16Array | Uint32Array {
  return array instanceof Uint16Array ? array : new Uint32Array(array.buffer, array.byteOffset, array.length);
}

/** A side of contiguous rows, in place, with plain defaults; for tests that care about one thing. */
export function plainSide(
  input: NativeArray,
  heads: number,
  headDim: number,
  more: Partial<NormSide> = {},
): NormSide {
  const strides = { inputTokenStride: heads * headDim, inputHeadStride: headDim };
  return {
    input,
    inputOffset: 0,
    ...strides,
    output: more.input ?? input,
    outputOffset: more.inputOffset ?? 0,
    outputTokenStride: more.inputTokenStride ?? strides.inputTokenStride,
    outputHeadStride: more.inputHeadStride ?? strides.inputHeadStride,
    heads,
    weight: null,
    weightDtype: "f32",
    weightHeadStride: 0,
    bias: null,
    biasDtype: "f32",
    biasHeadStride: 0,
    eps: 1e-6,
    kind: "rms",
    weightOffset: 0,
    rounding: "once",
    ...more,
  };
}

/** The f64 reference of one side, before the call has run: `[T, H, D]`. */
export function expectedOf(call: QkNormCall, side: NormSide): Float64Array {
  const { headDim, tokens, dtype } = call;
  const x = new Float64Array(tokens * side.heads * headDim);
  let n = 0;
  eachElement(call, side, "input", (index) => {
    x[n++] = read(dtype, side.input, index);
  });
  const numbers = (array: NativeArray | null, of: FloatDtype) =>
    array && new Float64Array(array.length).map((_, i) => read(of, array, i));
  const spec: NormSpec<ArrayLike<number>> = {
    kind: side.kind,
    axis: side.axis ?? "head",
    weight: numbers(side.weight, side.weightDtype),
    bias: numbers(side.bias, side.biasDtype),
    eps: side.eps,
    weightOffset: side.weightOffset,
    rounding: side.rounding,
  };
  return referenceNorm({ x, heads: side.heads, headDim, spec, dtype });
}

/** Visits every element of a side in the order [T, H, D], with its index in the array. */
export function eachElement(
  call: QkNormCall,
  side: NormSide,
  end: "input" | "output",
  visit: (index: number) => void,
): void {
  const offset = end === "input" ? side.inputOffset : side.outputOffset;
  const tokenStride = end === "input" ? side.inputTokenStride : side.outputTokenStride;
  const headStride = end === "input" ? side.inputHeadStride : side.outputHeadStride;
  for (let t = 0; t < call.tokens; t++)
    for (let h = 0; h < side.heads; h++)
      for (let d = 0; d < call.headDim; d++) visit(offset + t * tokenStride + h * headStride + d);
}

/** How far results are from the reference. `ulps` counts steps between neighbouring bf16 or f16 values. */
export interface Distance {
  elements: number;
  equal: number;
  ulps: number;
  relative: number;
}

export const noDistance = (): Distance => ({ elements: 0, equal: 0, ulps: 0, relative: 0 });

export function measure(call: QkNormCall, side: NormSide, expected: Float64Array, into: Distance): void {
  const { dtype } = call;
  const wanted = allocate(dtype, 1);
  let n = 0;
  eachElement(call, side, "output", (index) => {
    const reference = expected[n++] as number;
    const actual = read(dtype, side.output, index);
    into.elements++;
    write(dtype, wanted, 0, reference);
    if (Object.is(actual, read(dtype, wanted, 0))) {
      into.equal++;
    } else if (dtype === "f32") {
      const error = Math.abs(actual - reference) / Math.abs(reference);
      into.relative = Math.max(into.relative, Number.isFinite(error) ? error : Number.POSITIVE_INFINITY);
    } else {
      const steps = Math.abs(order(side.output[index] as number) - order(wanted[0] as number));
      into.ulps = Math.max(into.ulps, Number.isNaN(actual) !== Number.isNaN(reference) ? 1e9 : steps);
    }
  });
}

// Patterns in the order of their values, so that neighbours differ by one, across zero too.
function order(pattern: number): number {
  return pattern & 0x8000 ? -(pattern & 0x7fff) : pattern;
}

/** Calls of every layout, spec and dtype. `memory` is every array that the call can reach. */
export interface GeneratedCall {
  readonly call: QkNormCall;
  readonly memory: readonly NativeArray[];
}

export const generatedCall: fc.Arbitrary<GeneratedCall> = fc
  .record({
    seed: fc.nat(),
    dtype: fc.constantFrom(...dtypes),
    headDim: fc.oneof(fc.constantFrom(8, 64, 80, 96, 128, 160, 256), fc.integer({ min: 1, max: 80 })),
    tokens: fc.integer({ min: 1, max: 6 }),
    heads: fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 })),
    sides: fc.constantFrom(1, 2),
    layout: fc.constantFrom("separate", "packed", "interleaved" as const),
    inPlace: fc.boolean(),
    gaps: fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)),
    magnitude: fc.integer({ min: -12, max: 12 }),
    specs: fc.tuple(specChoice(), specChoice()),
    isa: fc.constantFrom(undefined, ...isas),
  })
  .map((choice) => {
    const { dtype, headDim, tokens, layout } = choice;
    const random = randomFrom(choice.seed);
    // An odd number of f32-like bits, now and then a zero, a tiny or a large value.
    const value = () => {
      const dice = random();
      if (dice < 0.01) return 0;
      const gauss = random() + random() + random() - 1.5;
      return gauss * 2 ** (choice.magnitude + (dice < 0.02 ? -20 : dice < 0.03 ? 4 : 0));
    };
    const heads = layout === "interleaved" ? [choice.heads[0], choice.heads[0]] : choice.heads;
    const [offset, tokenGap, headGap] = choice.gaps as [number, number, number];
    const memory: NativeArray[] = [];
    const array = (of: FloatDtype, length: number) => {
      const created = filled(of, length, value);
      memory.push(created);
      return created;
    };
    const padded = (count: number) => {
      const headStride = headDim + headGap;
      const tokenStride = count * headStride + tokenGap;
      return { array: array(dtype, offset + tokens * tokenStride), offset, tokenStride, headStride };
    };
    const span = layout === "interleaved" ? 3 * headDim * heads[0]! : (heads[0]! + 2 * heads[1]!) * headDim;
    const shared = layout === "separate" ? null : array(dtype, offset + tokens * (span + tokenGap));
    const slice = (index: number) => {
      if (shared === null) return padded(heads[index]!);
      const start = layout === "interleaved" ? headDim : heads[0]! * headDim;
      return {
        array: shared,
        offset: offset + index * start,
        tokenStride: span + tokenGap,
        headStride: layout === "interleaved" ? 3 * headDim : headDim,
      };
    };
    const sides = Array.from({ length: choice.sides }, (_, index): NormSide => {
      const input = slice(index);
      const output = choice.inPlace ? input : padded(heads[index]!);
      const spec = choice.specs[index]!;
      // A row across heads asks for heads without gaps.
      const dense = [input, output].every(({ headStride }) => headStride === headDim);
      const axis = dense ? spec.axis : "head";
      const affine = (of: FloatDtype, perHead: boolean) => {
        const wide = axis === "row" || perHead;
        const vector = filled(of, headDim * (wide ? heads[index]! : 1), () => (random() - 0.3) * 3);
        memory.push(vector);
        return vector;
      };
      return {
        input: input.array,
        inputOffset: input.offset,
        inputTokenStride: input.tokenStride,
        inputHeadStride: input.headStride,
        output: output.array,
        outputOffset: output.offset,
        outputTokenStride: output.tokenStride,
        outputHeadStride: output.headStride,
        heads: heads[index]!,
        weight: spec.weighted ? affine(spec.weightDtype, spec.weightPerHead) : null,
        weightDtype: spec.weightDtype,
        weightHeadStride: axis === "head" && spec.weightPerHead ? headDim : 0,
        bias: spec.biased ? affine(spec.biasDtype, spec.biasPerHead) : null,
        biasDtype: spec.biasDtype,
        biasHeadStride: axis === "head" && spec.biasPerHead ? headDim : 0,
        eps: spec.eps,
        kind: spec.kind,
        axis,
        weightOffset: spec.weightOffset,
        rounding: spec.rounding,
      };
    });
    const call = { dtype, headDim, tokens, sides: sides as unknown as QkNormCall["sides"] };
    return { call: choice.isa === undefined ? call : { ...call, isa: choice.isa }, memory };
  });

function specChoice() {
  return fc.record({
    kind: fc.constantFrom(...kinds),
    axis: fc.constantFrom("head" as const, "row" as const),
    rounding: fc.constantFrom(...roundings),
    weightOffset: fc.constantFrom(0, 1),
    eps: fc.constantFrom(1e-6, 1e-5, 0.25),
    weighted: fc.boolean(),
    weightDtype: fc.constantFrom(...dtypes),
    weightPerHead: fc.boolean(),
    biased: fc.boolean(),
    biasDtype: fc.constantFrom(...dtypes),
    biasPerHead: fc.boolean(),
  });
}
