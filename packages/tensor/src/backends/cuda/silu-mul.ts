import type { FloatDtype, NormRounding } from "@qknorm/core";
import { cudaSiluMul } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { memoryOf, ordinalOfMemory } from "./memory.ts";

/** `out [T, I] = silu(gate) * up` of `gateUp [T, 2I]`. */
export function siluMul(gateUp: TensorView, out: TensorView, rounding: NormRounding): void {
  const [rows, width] = out.shape as [number, number];
  const ordinal = ordinalOfMemory(out);
  cudaSiluMul(cudaKernels(ordinal), cudaStream(ordinal), {
    ...{ dtype: out.dtype as FloatDtype, rounding, rows, width },
    gateUp: rowsOf(gateUp),
    out: rowsOf(out),
  });
}

function rowsOf(x: TensorView) {
  return { memory: memoryOf(x), offset: x.offset, rowStride: x.strides[0] as number };
}
