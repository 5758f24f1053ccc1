import type { CudaStream } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { cudaStream } from "./device-state.ts";
import { elementwiseOn } from "./elementwise.ts";
import { ordinalOfMemory } from "./memory.ts";
import { postponed } from "./postponed.ts";

/** `out = a + b` over contiguous tensors of one size. */
export function add(a: TensorView, b: TensorView, out: TensorView): void {
  const ordinal = ordinalOfMemory(out);
  const run = (stream: CudaStream) => elementwiseOn(stream, "sum", a, b, out);
  const late = postponed(ordinal);
  if (late === null) run(cudaStream(ordinal));
  else late.add({ step: { kind: "sum", a, b, out }, run });
}
