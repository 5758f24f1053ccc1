import type { FloatDtype, NormAxis, NormKind, NormRounding } from "@qknorm/core";

// The numbers by which the addon and the kernels know the words of core.

/** Element types (cpu/dtype.h). */
export const dtypeNumbers: Readonly<Record<FloatDtype, number>> = { f32: 0, bf16: 1, f16: 2 };

/** f32 in a `Float32Array`; the bit patterns of bf16 and f16 in a `Uint16Array`. */
export type NativeArray = Float32Array | Uint16Array;

/** What a cache may hold (cpu/cache_write.h), e4m3 as 8-bit patterns in a `Uint8Array`; and who gives its scales. */
export const cacheDtypeNumbers = { ...dtypeNumbers, e4m3: 3 } as const;
export type CacheArray = NativeArray | Uint8Array;
export const scaleModeNumbers = { none: 0, computed: 1, given: 2 } as const;

/** Norms, what one row of them is, and roundings (cpu/qk_norm.h). */
export const kindNumbers: Readonly<Record<NormKind, number>> = { rms: 0, layer: 1, l2: 2, unit: 3 };
export const axisNumbers: Readonly<Record<NormAxis, number>> = { head: 0, row: 1 };
export const roundingNumbers: Readonly<Record<NormRounding, number>> = { once: 0, hf: 1 };

/** Choices of ops (cpu/linear.h, cpu/attention.h, cpu/rope.h). */
export const engineNumbers = { auto: 0, own: 1, blas: 2 } as const;
export const maskNumbers = { causal: 0, none: 1 } as const;
export const layoutNumbers = { halves: 0, interleaved: 1 } as const;
/** What a chain does first (cpu/qk_norm_rope.h). */
export const orderNumbers = { "norm-rope": 0, "rope-norm": 1 } as const;

/** Activations (cpu/activation.h), and what the weight of an expert multiplies (cpu/moe.h). */
export const activationNumbers = {
  silu: 0,
  gelu: 1,
  "gelu-tanh": 2,
  relu: 3,
  relu2: 4,
  sigmoid: 5,
  softplus: 6,
  tanh: 7,
} as const;
/** Functions of one number (cpu/pointwise.h). */
export const pointwiseNumbers = { ...activationNumbers, scale: 8, "soft-cap": 9, clamp: 10 } as const;
export const weighingNumbers = { output: 0, input: 1 } as const;

/** An instruction set that the CPU kernels come in. */
export type CpuIsa = "scalar" | "avx2" | "avx512" | "avx512bf16";
