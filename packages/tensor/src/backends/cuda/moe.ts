import { QkNormError } from "@qknorm/core";
import { alignmentOf, CudaMoe, type ExpertStack, type MoeForm } from "@qknorm/native/cuda";
import type { ExpertViews, MoeSpec, TensorView } from "../../backend.ts";
import { bytesOf, type FloatDtype } from "../../dtype.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { KeptLaunches } from "./kept-launches.ts";
import { isSettled, ordinalOfMemory } from "./memory.ts";
import { rangeOf, rowBytes, startOf } from "./ranges.ts";

const launches = new KeptLaunches<CudaMoe>(64);

/**
 * `out [T, C]` from `x [T, C]`: see the op. Queued on the current stream, whoever chose the experts.
 *
 * Throws `ERR_QKNORM_DTYPE` where gate and up are of two dtypes.
 */
export function moe(x: TensorView, { gate, up, down }: ExpertViews, out: TensorView, spec: MoeSpec): void {
  if (gate.dtype !== up.dtype) {
    throw new QkNormError(
      "ERR_QKNORM_DTYPE",
      `gate is ${gate.dtype} and up ${up.dtype}: on CUDA they are of one dtype`,
    );
  }
  const experts = spec.experts.on(x.memory.backend);
  const ordinal = ordinalOfMemory(x);
  const form = formOf(x, { gate, up, down }, out, spec);
  const like = Object.values(form).flatMap((value) =>
    typeof value === "object" ? Object.values(value) : [value],
  );
  const launch = launches.get([ordinal, ...like], () => new CudaMoe(cudaKernels(ordinal), form));
  launch.run(cudaStream(ordinal), {
    ...{ x: rangeOf(x), y: rangeOf(out), weights: rangeOf(spec.weights), experts: rangeOf(experts) },
    ...{ gate: rangeOf(gate), up: rangeOf(up), down: rangeOf(down) },
  });
}

function formOf(x: TensorView, { gate, up, down }: ExpertViews, out: TensorView, spec: MoeSpec): MoeForm {
  const [tokens, hidden] = x.shape as [number, number];
  const [experts, intermediate] = gate.shape as [number, number];
  const { weights, weighs, activation, rounding } = spec;
  return {
    ...{ dtype: x.dtype as FloatDtype, weights: weights.dtype as FloatDtype },
    ...{ weighs, activation, rounding },
    ...{ tokens, choices: weights.shape[1] as number, experts, hidden, intermediate },
    ...{ xStride: rowBytes(x), xAlignment: alignmentOf(startOf(x), rowBytes(x)) },
    ...{ yStride: rowBytes(out), yAlignment: alignmentOf(startOf(out), rowBytes(out)) },
    ...{ gate: stackOf(gate), up: stackOf(up), down: stackOf(down), settled: isSettled(down) },
  };
}

function stackOf(x: TensorView): ExpertStack {
  const [experts, rows] = x.strides as [number, number];
  const [expertStride, rowStride] = [experts * bytesOf[x.dtype], rows * bytesOf[x.dtype]];
  return {
    dtype: x.dtype as FloatDtype,
    rowStride,
    expertStride,
    alignment: alignmentOf(startOf(x), rowStride, expertStride),
  };
}
