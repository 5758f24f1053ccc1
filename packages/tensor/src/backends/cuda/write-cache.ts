import { CudaWriteCache, CudaWriteE4m3Cache } from "@qknorm/native/cuda";
import type { IndexView, TensorView } from "../../backend.ts";
import { bytesOf, type FloatDtype } from "../../dtype.ts";
import type { CacheWriteScales } from "../../op-specs.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { placeOf, stridesOf } from "./heads.ts";
import { KeptLaunches } from "./kept-launches.ts";
import { ordinalOfMemory } from "./memory.ts";

const launches = new KeptLaunches<CudaWriteCache>(32);
const e4m3Launches = new KeptLaunches<CudaWriteE4m3Cache>(32);

/** Tokens of `k` and `v` `[T, Hkv, D]` into slots of `kCache` and `vCache` `[S, Hkv, D]`. Queued on the current stream. */
export function writeCache(
  k: TensorView,
  v: TensorView,
  kCache: TensorView,
  vCache: TensorView,
  slots: IndexView,
  scales: CacheWriteScales<TensorView> | null,
): void {
  if (scales !== null) {
    writeE4m3({ k, v, kCache, vCache, kScales: scales.k, vScales: scales.v }, slots, scales.mode);
    return;
  }
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

type E4m3Views = Readonly<Record<"k" | "v" | "kCache" | "vCache" | "kScales" | "vScales", TensorView>>;

function writeE4m3(views: E4m3Views, slots: IndexView, mode: CacheWriteScales<TensorView>["mode"]): void {
  const { k, kCache } = views;
  const ordinal = ordinalOfMemory(kCache);
  const all = Object.entries(views) as [keyof E4m3Views, TensorView][];
  const like = [ordinal, k.dtype, mode, ...k.shape, kCache.shape[0], ...all.flatMap(([, x]) => x.strides)];
  const packed = e4m3Launches.get(like, () => {
    const [tokens, heads, headDim] = k.shape as [number, number, number];
    return new CudaWriteE4m3Cache(cudaKernels(ordinal), {
      ...{ dtype: k.dtype as FloatDtype, mode, tokens, heads, headDim, capacity: kCache.shape[0] as number },
      strides: ofEach(views, stridesOf),
    });
  });
  packed.run(cudaStream(ordinal), {
    ...ofEach(views, placeOf),
    slots: placeOf(slots.on(kCache.memory.backend)),
  });
}

function ofEach<Value>(views: E4m3Views, value: (x: TensorView) => Value): Record<keyof E4m3Views, Value> {
  const { k, v, kCache, vCache, kScales, vScales } = views;
  return {
    ...{ k: value(k), v: value(v), kCache: value(kCache), vCache: value(vCache) },
    ...{ kScales: value(kScales), vScales: value(vScales) },
  };
}
