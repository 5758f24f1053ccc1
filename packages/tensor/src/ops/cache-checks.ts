// What memory of keys and values must be, whoever writes or reads it.
import { QkNormError } from "@qknorm/core";
import { type Dtype, floatDtypes } from "../dtype.ts";
import type { CacheScales, CacheWriteScales } from "../op-specs.ts";
import { lastAxisIsDense, shown } from "../strides.ts";
import type { Tensor } from "../tensor.ts";
import { requireShape, requireTensor } from "./checks.ts";

/** Throws unless both tensors are `[N, H, D]` of one shape and dtype, the last axis dense. */
export function requirePair(
  pair: Readonly<Record<string, Tensor>>,
  rows: "tokens" | "slots",
  dtypes: readonly Dtype[] = floatDtypes,
): void {
  for (const [name, x] of Object.entries(pair)) {
    requireTensor(x, name, dtypes);
    requireShape(
      x.shape.length === 3 && lastAxisIsDense(x),
      `${name} must be [${rows}, heads, D] with a dense last axis`,
      { [name]: x },
    );
  }
  const [[first, a], [second, b]] = Object.entries(pair) as [[string, Tensor], [string, Tensor]];
  requireShape(
    a.shape.every((dim, axis) => dim === b.shape[axis]),
    `${first} and ${second} must have one shape`,
    pair,
  );
  if (a.dtype !== b.dtype) {
    throw new QkNormError(
      "ERR_QKNORM_DTYPE",
      `${first} and ${second} must have one dtype: they are ${a.dtype} and ${b.dtype}`,
    );
  }
}

/** Throws unless a cache of e4m3 `[S, Hkv, D]` comes with scales `[S, Hkv]`, and another with none. */
export function requireScales(scales: unknown, kCache: Tensor): asserts scales is CacheScales<Tensor> | null {
  if ((kCache.dtype === "e4m3") !== (scales !== null)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      scales === null ? "a cache of e4m3 needs scales" : `a cache of ${kCache.dtype} takes no scales`,
    );
  }
  if (scales === null) return;
  for (const [name, x] of Object.entries(scaleTensors(scales as CacheScales<Tensor>))) {
    requireTensor(x, name, ["f32"]);
    requireShape(
      x.shape.length === 2 && x.shape[0] === kCache.shape[0] && x.shape[1] === kCache.shape[1],
      `${name} must be [S, Hkv]`,
      { [name]: x, kCache },
    );
  }
}

/** As `requireScales`, and how a write has them. */
export function requireWriteScales(scales: CacheWriteScales<Tensor> | null, kCache: Tensor): void {
  requireScales(scales, kCache);
  if (scales === null || scales.mode === "computed" || scales.mode === "given") return;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `scales must be computed or given, got ${shown(scales.mode)}`);
}

/** Both by their names; none where there are none. */
export function scaleTensors(scales: CacheScales<Tensor> | null): Record<string, Tensor> {
  return scales === null ? {} : { "k's scales": scales.k, "v's scales": scales.v };
}
