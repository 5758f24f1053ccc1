import { QkNormError } from "@qknorm/core";
import { bytesOf, type Device, type FloatDtype, freeBytes } from "@qknorm/tensor";
import type { Weights } from "./weights.ts";

/**
 * Holds a model to the memory of its device before anything of it is made.
 *
 * @throws ERR_CUDA that says how much is needed and free, when the weights alone are more than the device has left
 */
export function requireRoom(
  weights: Weights,
  dtype: FloatDtype,
  device: Device | undefined,
  dir: string,
): void {
  const free = device === undefined ? null : freeBytes(device);
  if (free === null) return;
  const elements = [...weights.values()].map(({ shape }) =>
    shape.reduce((product, size) => product * size, 1),
  );
  const needed = elements.reduce((sum, count) => sum + count * bytesOf[dtype], 0);
  if (needed <= free) return;
  throw new QkNormError(
    "ERR_CUDA",
    `the model in ${dir} needs ${needed} bytes for its weights in ${dtype}, and ${device} has ${free} free (${gigabytes(needed)} and ${gigabytes(free)} GB)`,
  );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}
