import type { FloatDtype } from "@qknorm/core";

/** What a cache holds; e4m3 is the OCP's. */
export type CudaCacheDtype = FloatDtype | "e4m3";

/** Bytes of an element of a cache. */
export function cacheBytesOf(dtype: CudaCacheDtype): number {
  return { f32: 4, bf16: 2, f16: 2, e4m3: 1 }[dtype];
}
