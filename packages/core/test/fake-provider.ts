import type { FusedQkNormCall, FusedQkNormProvider, NormSpec, Refusal } from "../src/index.ts";
import { FlatTensor } from "./flat-tensor.ts";

/** A provider for FlatTensor that negates instead of normalising, so that a test sees who ran. */
export function fakeProvider(
  name: string,
  over: Partial<FusedQkNormProvider<FlatTensor>> = {},
): FusedQkNormProvider<FlatTensor> & { calls: FusedQkNormCall<FlatTensor>[] } {
  const calls: FusedQkNormCall<FlatTensor>[] = [];
  return {
    name,
    calls,
    claims: (tensor) => tensor instanceof FlatTensor,
    refusals: (): readonly Refusal[] => [],
    run(call) {
      calls.push(call);
      return [negated(call.q), negated(call.k)];
    },
    ...over,
  };
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
