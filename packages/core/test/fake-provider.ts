import type { FusedQkNormCall, FusedQkNormProvider, NormSpec, PreparedQkNorm } from "../src/index.ts";
import { FlatTensor } from "./flat-tensor.ts";

/**
 * A provider for FlatTensor that negates instead of normalising, so that a test sees who ran. What it prepares runs for
 * the very tensors of the call.
 */
export function fakeProvider(
  name: string,
  over: Partial<FusedQkNormProvider<FlatTensor>> = {},
): FusedQkNormProvider<FlatTensor> & { calls: FusedQkNormCall<FlatTensor>[] } {
  const calls: FusedQkNormCall<FlatTensor>[] = [];
  return {
    name,
    calls,
    claims: (tensor) => tensor instanceof FlatTensor,
    prepare: (call) =>
      running((q, k) => {
        if (q !== call.q || k !== call.k) return null;
        calls.push(call);
        return [negated(q), negated(k)];
      }, call.allowInplace),
    ...over,
  };
}

/** A prepared call of this `run`. */
export function running(run: PreparedQkNorm<FlatTensor>["run"], inPlace = true): PreparedQkNorm<FlatTensor> {
  return { inPlace, run };
}

export function negated(x: FlatTensor): FlatTensor {
  return new FlatTensor(
    x.data.map((value) => -value),
    x.shape,
  );
}

/** A norm that does nothing, counts its calls, and can be fused when it gets a spec. */
export function countingNorm(spec?: NormSpec): {
  forward(x: FlatTensor): FlatTensor;
  spec?: NormSpec | undefined;
  seen: (readonly number[])[];
} {
  const seen: (readonly number[])[] = [];
  return {
    seen,
    spec,
    forward(x) {
      seen.push(x.shape);
      return x;
    },
  };
}

/** Qwen3's norm as data, without weight. */
export const rms: NormSpec = {
  kind: "rms",
  axis: "head",
  weight: null,
  eps: 1e-6,
  weightOffset: 0,
  rounding: "once",
};
