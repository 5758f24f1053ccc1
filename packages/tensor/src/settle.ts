import type { Memory } from "./backend.ts";
import { assertMemory } from "./overlap.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Says that nothing writes to these tensors any more, as to the weights of a model that has been loaded: a device may then
 * read them before what was queued in front has run. Waits until what is queued has run, where the device has a use for
 * it. Whoever writes to one by `copyFrom` or `write` afterwards takes that back; ops that work in place must not.
 *
 * Throws `ERR_QKNORM_LAYOUT` for a tensor without memory, `ERR_CUDA`.
 */
export function settle(tensors: Iterable<Tensor>): void {
  const byBackend = new Map<Memory["backend"], Set<Memory>>();
  for (const tensor of tensors) {
    assertMemory(tensor, "a settled tensor");
    const { memory } = tensor;
    byBackend.set(memory.backend, (byBackend.get(memory.backend) ?? new Set()).add(memory));
  }
  for (const [backend, memories] of byBackend) backend.settle?.([...memories]);
}
