// What the QK-norm tests of every device draw from: tensors as models pack them, specs, and the exact result.
import { type FloatDtype, type NormModule, type NormSpec, referenceNorm } from "@qknorm/core";
import * as fc from "fast-check";
import { type Device, normalize, Tensor } from "../src/index.ts";
import { normal } from "./random-values.ts";

export type Spec = NormSpec<Tensor>;

export const rms: Spec = {
  kind: "rms",
  axis: "head",
  weight: null,
  eps: 1e-6,
  weightOffset: 0,
  rounding: "once",
};

/** A norm module as models have them: fused by its spec, run by `normalize` otherwise. */
export const norm = (spec: Spec): NormModule<Tensor> => ({ spec, forward: (x) => normalize(x, spec) });

/** Normally distributed values. */
export const filled = (seed: number, shape: readonly number[], dtype: FloatDtype, scale = 1): Tensor =>
  Tensor.from(
    normal(
      seed,
      shape.reduce((a, b) => a * b, 1),
      scale,
    ),
    shape,
    dtype,
  );

/** The exact result of a norm over the heads of x, from the reference in f64. */
export function reference(x: Tensor, heads: number, headDim: number, spec: Spec): Float64Array {
  const numbers = {
    ...spec,
    weight: spec.weight?.toNumbers() ?? null,
    bias: spec.bias?.toNumbers() ?? null,
  };
  return referenceNorm({ x: x.toNumbers(), heads, headDim, dtype: x.dtype as FloatDtype, spec: numbers });
}

/** A spec with its weights on a device. */
export const specOn = (device: Device, spec: Spec): Spec => ({
  ...spec,
  weight: spec.weight?.to(device) ?? null,
  bias: spec.bias?.to(device) ?? null,
});

/** Everything in the memory that a tensor lies in, in order: not only what it shows. */
export function wholeMemory(x: Tensor): Tensor {
  return new Tensor(x.memory, x.dtype, [x.memory.capacity(x.dtype)]).to("cpu");
}

export interface Sizes {
  readonly tokens: number;
  readonly hq: number;
  readonly hkv: number;
  readonly d: number;
  /** Values that end each row, and values before the first: both break alignment. */
  readonly pad: number;
  readonly skip: number;
  readonly dtype: FloatDtype;
  readonly seed: number;
}

export interface Packing {
  readonly q: Tensor;
  readonly k: Tensor;
}

function rows({ tokens, pad, skip, dtype, seed }: Sizes, width: number, device: Device): Tensor {
  const all = filled(seed, [skip + tokens * (width + pad)], dtype, 2).to(device);
  return all
    .slice(0, skip, all.size)
    .view([tokens, width + pad])
    .slice(1, 0, width);
}

/** How models pack q and k into rows of one tensor. */
export const packings: Readonly<Record<string, (sizes: Sizes, device: Device) => Packing>> = {
  "flat heads": (sizes, device) => {
    const { hq, hkv, d } = sizes;
    const [q, k] = rows(sizes, (hq + 2 * hkv) * d, device).split(1, [hq * d, hkv * d, hkv * d]);
    return { q: q as Tensor, k: k as Tensor };
  },
  "split heads": (sizes, device) => {
    const { q, k } = packings["flat heads"]!(sizes, device);
    return { q: q.view([sizes.tokens, sizes.hq, sizes.d]), k: k.view([sizes.tokens, sizes.hkv, sizes.d]) };
  },
  "a batch of two": (sizes, device) => {
    const { q, k } = packings["flat heads"]!({ ...sizes, tokens: 2 * sizes.tokens }, device);
    return {
      q: q.view([2, sizes.tokens, sizes.hq * sizes.d]),
      k: k.view([2, sizes.tokens, sizes.hkv * sizes.d]),
    };
  },
  "tensors of their own": ({ tokens, hq, hkv, d, dtype, seed }, device) => ({
    q: filled(seed, [tokens, hq * d], dtype, 2).to(device),
    k: filled(seed + 1, [tokens, hkv * d], dtype, 2).to(device),
  }),
  "heads interleaved with k and v, as in Persimmon": (sizes, device) => {
    const { tokens, hq, d } = sizes;
    const packed = rows(sizes, hq * 3 * d, device).view([tokens, hq, 3, d]);
    const [q, k] = [0, 1].map((i) => packed.slice(2, i, i + 1).view([tokens, hq, d])) as [Tensor, Tensor];
    return { q, k };
  },
  "q interleaved with its gate, as in Qwen3-Next": (sizes, device) => {
    const { tokens, hq, hkv, d } = sizes;
    const [queries, k] = rows(sizes, hq * 2 * d + hkv * d, device).split(1, [hq * 2 * d, hkv * d]);
    return {
      q: (queries as Tensor).view([tokens, hq, 2 * d]).slice(2, 0, d),
      k: (k as Tensor).view([tokens, hkv, d]),
    };
  },
};

/** KV heads of a packing: where q, k and v share a head, there are as many. */
export const kvHeads = (packing: string, { hq, hkv }: Sizes): number =>
  packing.includes("Persimmon") ? hq : hkv;

export const dtypes = fc.constantFrom<FloatDtype>("f32", "bf16", "f16");

export const sizes: fc.Arbitrary<Sizes> = fc.record({
  tokens: fc.integer({ min: 1, max: 5 }),
  hq: fc.integer({ min: 1, max: 4 }),
  hkv: fc.integer({ min: 1, max: 3 }),
  d: fc.constantFrom(8, 16, 64, 80, 96, 128),
  pad: fc.constantFrom(0, 1, 8),
  skip: fc.constantFrom(0, 0, 1, 4),
  dtype: dtypes,
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
});

/** What a kernel is compiled for: q and k that share it run in one launch. */
interface Form {
  readonly kind: Spec["kind"];
  readonly weightOffset: 0 | 1;
  readonly rounding: Spec["rounding"];
  readonly affine: "none" | "weight" | "bias" | "both";
  readonly dtype: FloatDtype;
}

const forms: fc.Arbitrary<Form> = fc.record({
  kind: fc.constantFrom("rms", "layer", "l2", "unit"),
  weightOffset: fc.constantFrom(0, 1),
  rounding: fc.constantFrom("once", "hf"),
  affine: fc.constantFrom("none", "weight", "bias", "both"),
  dtype: dtypes,
});

/** Specs of a form, with weights on the CPU: see `specOn`. */
const specs = ({ affine, dtype, ...form }: Form, heads: number, d: number): fc.Arbitrary<Spec> =>
  fc
    .record({
      eps: fc.constantFrom(1e-6, 1e-5, 1e-3),
      perHead: fc.boolean(),
      seed: fc.integer({ min: 1, max: 2 ** 31 }),
    })
    .map(({ eps, perHead, seed }) => {
      const shape = perHead ? [heads, d] : [d];
      return {
        ...form,
        eps,
        axis: "head",
        weight: affine === "weight" || affine === "both" ? filled(seed, shape, dtype) : null,
        bias: affine === "bias" || affine === "both" ? filled(seed + 1, shape, dtype) : null,
      };
    });

/** One call in full. */
export interface Call extends Sizes {
  readonly qSpec: Spec;
  readonly kSpec: Spec;
  readonly allowInplace: boolean;
}

/** Calls of every spec; in two of three q and k have one form, as in models. */
export const calls = (packing: string): fc.Arbitrary<Call> =>
  fc.tuple(sizes, forms, fc.option(forms, { freq: 3 })).chain(([drawn, qForm, other]) => {
    const s = { ...drawn, hkv: kvHeads(packing, drawn) };
    return fc
      .tuple(specs(qForm, s.hq, s.d), specs(other ?? qForm, s.hkv, s.d), fc.boolean())
      .map(([qSpec, kSpec, allowInplace]) => ({ ...s, qSpec, kSpec, allowInplace }));
  });
