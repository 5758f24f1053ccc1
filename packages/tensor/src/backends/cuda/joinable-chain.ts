import type { CudaChainForm } from "@qknorm/native/cuda";
import type { QkNormRopeCall, TensorView } from "../../backend.ts";
import { bytesOf } from "../../dtype.ts";
import { stridesOf } from "./heads.ts";
import type { JoinableChain } from "./joinable.ts";
import type { CudaNorm } from "./norm-side.ts";
import { rangeOf } from "./ranges.ts";

interface Operands {
  readonly q: TensorView;
  readonly k: TensorView;
  readonly v: TensorView;
  /** Positions, and slots. */
  readonly places: TensorView | null;
  readonly rows: TensorView;
}

/** The chain of one token, in place, that one launch may have with attention and products; null for what that does not take. */
export function joinableChain(
  form: CudaChainForm,
  norms: Readonly<Record<"q" | "k", CudaNorm>>,
  { write, rope }: Pick<QkNormRopeCall, "write" | "rope">,
  { q, k, v, places, rows }: Operands,
): JoinableChain | null {
  const { norm, cache, normalizes } = form;
  if (write === null || cache === null) return null;
  const apart =
    norm.kind === "layer" ||
    norm.bias !== null ||
    cache.scales !== "none" ||
    cache.dtype !== norm.dtype ||
    Math.min(norm.alignment, norm.weightAlignment, cache.alignment) < 16 ||
    norms.q.affine.headStride !== 0 ||
    norms.k.affine.headStride !== 0;
  if (apart) return null;
  const weight = ({ affine }: CudaNorm) =>
    normalizes && affine.weight !== null ? rangeOf(affine.weight) : null;
  const bytes = (elements: number): number => elements * bytesOf[q.dtype];
  return {
    ...{ kind: "chain", form, slot: rangeOf(rows) },
    operands: {
      ...{ q: rangeOf(q), k: rangeOf(k), v: rangeOf(v) },
      ...{ kCache: rangeOf(write.kCache), vCache: rangeOf(write.vCache) },
      ...{ qWeight: weight(norms.q), kWeight: weight(norms.k) },
    },
    heads: {
      position: rangeOf(places ?? rows),
      cos: rope && rangeOf(rope.table.cos),
      sin: rope && rangeOf(rope.table.sin),
      places: rope === null ? 0 : (rope.table.cos.shape[0] as number),
      headStrides: {
        q: bytes(norms.q.headStride),
        k: bytes(norms.k.headStride),
        v: bytes(write.v.headStride),
      },
      ...{ kCache: stridesOf(write.kCache), vCache: stridesOf(write.vCache) },
      ...{ qEps: norms.q.spec.eps, kEps: norms.k.spec.eps, capacity: write.kCache.shape[0] as number },
    },
  };
}
