import { QkNormError } from "@qknorm/core";
import { CudaWriteCache } from "@qknorm/native/cuda";
import type { CacheWriteScales, IndexView, TensorView } from "../../backend.ts";
import { bytesOf, type FloatDtype } from "../../dtype.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { placeOf, stridesOf } from "./heads.ts";
import { KeptLaunches } from "./kept-launches.ts";
import { ordinalOfMemory } from "./memory.ts";

const launches = new KeptLaunches<CudaWriteCache>(32);

/** Tokens of `k` and `v` `[T, Hkv, D]` into slots of `kCache` and `vCache` `[S, Hkv, D]`. Queued on the current stream. Throws `ERR_QKNORM_DTYPE` for e4m3. */
export function writeCache(
  k: TensorView,
  v: TensorView,
  kCache: TensorView,
  vCache: TensorView,
  slots: IndexView,
  scales: CacheWriteScales | null,
): void {
  if (scales !== null) throw new QkNormError("ERR_QKNORM_DTYPE", "writeCache on CUDA has no caches of e4m3");
  const ordinal = ordinalOfMemory(kCache);
  const phase = (x: TensorView) => (x.offset * bytesOf[x.dtype]) % 16;
  const like = [
    ...[ordinal, k.dtype, kCache.dtype, ...k.shape, kCache.shape[0]],
    ...[k, v, kCache, vCache].flatMap((x) => [...x.strides, phase(x)]),
  ];
  const packed = launches.get(like, () => {
    const [tokens, heads, headDim] = k.shape as [number, number, number];
    const of = <Value>(value: (x: TensorView) => Value) => ({
      ...{ k: value(k), v: value(v), kCache: value(kCache), vCache: value(vCache) },
    });
    return new CudaWriteCache(cudaKernels(ordinal), {
      ...{ dtype: k.dtype as FloatDtype, cacheDtype: kCache.dtype as FloatDtype, tokens, heads, headDim },
      ...{ capacity: kCache.shape[0] as number, strides: of(stridesOf), phases: of(phase) },
    });
  });
  packed.run(cudaStream(ordinal), {
    ...{ k: placeOf(k), v: placeOf(v), kCache: placeOf(kCache), vCache: placeOf(vCache) },
    slots: placeOf(slots.on(kCache.memory.backend)),
  });
}
