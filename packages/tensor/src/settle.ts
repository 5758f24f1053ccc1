import { QkNormError } from "@qknorm/core";
import type { Memory } from "./backend.ts";
import { dtypes } from "./dtype.ts";
import { requireTensor } from "./ops/checks.ts";
import { shown } from "./strides.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Says that nothing writes to these tensors any more, as to the weights of a model that has been loaded: a device may then
 * read them before what was queued in front has run. Waits until what is queued has run, where the device has a use for
 * it. Whoever writes to one by `copyFrom` or `write` afterwards takes that back; ops that work in place must not.
 *
 * Throws `ERR_QKNORM_ARGUMENT` for what are no tensors, `ERR_QKNORM_LAYOUT` for a tensor without memory, `ERR_CUDA`.
 */
export function settle(tensors: Iterable<Tensor>): void {
  const through = (tensors as Partial<Iterable<Tensor>> | null | undefined)?.[Symbol.iterator];
  // An array of numbers whose memory is gone cannot be gone through.
  if (typeof through !== "function" || ArrayBuffer.isView(tensors)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `settle takes tensors in an array, got ${shown(tensors)}`);
  }
  const byBackend = new Map<Memory["backend"], Set<Memory>>();
  for (const tensor of tensors) {
    requireTensor(tensor, "a settled tensor", dtypes);
    const { memory } = tensor;
    byBackend.set(memory.backend, (byBackend.get(memory.backend) ?? new Set()).add(memory));
  }
  for (const [backend, memories] of byBackend) backend.settle?.([...memories]);
}
