import { QkNormError } from "@qknorm/core";
import type { FileRange } from "./backend.ts";
import { bytesOf } from "./dtype.ts";
import { assertMemory } from "./overlap.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Fills a dense tensor of a device with the elements that an open file has from `position` on, past no memory of
 * JavaScript. The copy is queued.
 *
 * @returns how many bytes there were: fewer than the tensor's where the file has ended; `null`, with nothing done, for a
 *   device that reads no files, as the CPU, whose memory the file's reader fills
 * @throws `ERR_QKNORM_LAYOUT` for memory that is gone or a view with gaps, `ERR_NATIVE` for a file that cannot be read,
 *   `ERR_QKNORM_SCOPE` inside a capture, `ERR_CUDA`
 */
export function fillFromFile(
  target: Tensor,
  { descriptor, position }: Pick<FileRange, "descriptor" | "position">,
): number | null {
  assertMemory(target, "the target");
  if (!target.contiguous) {
    throw new QkNormError("ERR_QKNORM_LAYOUT", "what is filled from a file must be dense");
  }
  const { memory, offset, size, dtype } = target;
  const { backend } = memory;
  const bytes = size * bytesOf[dtype];
  return backend.writeFile?.(memory, offset * bytesOf[dtype], { descriptor, position, bytes }) ?? null;
}
