import { QkNormError } from "@qknorm/core";
import type { FileRange } from "./backend.ts";
import { bytesOf, dtypes } from "./dtype.ts";
import { requireTensor } from "./ops/checks.ts";
import { assertCount, assertObject } from "./plain-argument.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Fills a dense tensor of a device with the elements that an open file has from `position` on, past no memory of
 * JavaScript. The copy is queued.
 *
 * @returns how many bytes there were: fewer than the tensor's where the file has ended; `null`, with nothing done, for a
 *   device that reads no files, as the CPU, whose memory the file's reader fills
 * @throws `ERR_QKNORM_LAYOUT` for memory that is gone or a view with gaps, `ERR_NATIVE` for a file that cannot be read,
 *   `ERR_QKNORM_SCOPE` inside a capture, `ERR_CUDA`, `ERR_QKNORM_ARGUMENT` for what is no tensor, descriptor or position
 */
export function fillFromFile(
  target: Tensor,
  range: Pick<FileRange, "descriptor" | "position">,
): number | null {
  requireTensor(target, "the target", dtypes);
  assertObject(range, "the part of a file");
  const { descriptor, position } = range;
  assertCount(descriptor, "a file's descriptor");
  assertCount(position, "the position in a file");
  if (!target.contiguous) {
    throw new QkNormError("ERR_QKNORM_LAYOUT", "what is filled from a file must be dense");
  }
  const { memory, offset, size, dtype } = target;
  const { backend } = memory;
  const bytes = size * bytesOf[dtype];
  return backend.writeFile?.(memory, offset * bytesOf[dtype], { descriptor, position, bytes }) ?? null;
}
