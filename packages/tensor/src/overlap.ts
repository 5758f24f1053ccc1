import { formatShape, QkNormError } from "@qknorm/core";
import type { TensorView } from "./backend.ts";
import { bytesOf } from "./dtype.ts";
import { lastElement } from "./strides.ts";

/** `coefficient * stride`, for whole coefficients from `least` to `most`. */
interface Term {
  readonly stride: number;
  readonly least: number;
  readonly most: number;
}

// Views that a program makes of its tensors take a few dozen steps; strides chosen to be hard get the safe answer.
const maxSteps = 10_000;

/**
 * Whether two views share a byte. Exact for the views that slicing, splitting and transposing make, in whatever way
 * they interleave; for strides so odd that the search takes too long, the answer is the safe one: yes.
 *
 * Memory is told apart by its buffer object: two `SharedArrayBuffer`s cloned from one another count as different.
 */
export function mayShareMemory(a: TensorView, b: TensorView): boolean {
  if (a.size === 0 || b.size === 0 || a.memory.region !== b.memory.region) {
    return false;
  }
  const [startA, startB] = [firstByte(a), firstByte(b)];
  if (endByte(a) <= startB || endByte(b) <= startA) return false;

  // A shared byte is a solution of: start of a + its steps + byte within the element = the same for b.
  const terms = new Map<number, Term>();
  const add = (stride: number, least: number, most: number): void => {
    const { least: l, most: m } = terms.get(stride) ?? { least: 0, most: 0 };
    terms.set(stride, { stride, least: l + least, most: m + most });
  };
  const [bytesA, bytesB] = [bytesOf[a.dtype], bytesOf[b.dtype]];
  for (const [axis, dim] of a.shape.entries()) add((a.strides[axis] as number) * bytesA, 0, dim - 1);
  for (const [axis, dim] of b.shape.entries()) add((b.strides[axis] as number) * bytesB, 1 - dim, 0);
  add(1, 1 - bytesB, bytesA - 1);
  terms.delete(0);
  return mayReach(
    [...terms.values()].sort((x, y) => y.stride - x.stride),
    startB - startA,
  );
}

/**
 * Whether a view holds some element twice, as views with a zero or too short stride do. Exact for the views that
 * slicing, splitting and transposing make; for others it may say yes without need.
 */
export function overlapsItself(x: TensorView): boolean {
  if (x.size === 0) return false;
  const axes = x.shape
    .map((dim, axis) => ({ dim, stride: x.strides[axis] as number }))
    .filter(({ dim }) => dim > 1)
    .sort((a, b) => a.stride - b.stride);
  let reach = 1;
  for (const { dim, stride } of axes) {
    if (stride < reach) return true;
    reach += stride * (dim - 1);
  }
  return false;
}

/** Throws `ERR_QKNORM_OVERLAP` for a view that overlaps itself: such a view can be read, not written. */
export function assertNoSelfOverlap(x: TensorView, name: string): void {
  if (!overlapsItself(x)) return;
  throw new QkNormError(
    "ERR_QKNORM_OVERLAP",
    `${name} ${formatShape(x.shape)} with strides ${formatShape(x.strides)} overlaps itself, so it may not be written`,
  );
}

/**
 * Throws `ERR_QKNORM_LAYOUT` for a view whose memory is too short for it or gone: a detached or shrunk buffer, memory of
 * a device that was freed; `ERR_QKNORM_DEVICE` when the device was closed.
 */
export function assertMemory(x: TensorView, name: string): void {
  const { memory, dtype } = x;
  if (memory.backend.closed) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${name} of shape ${formatShape(x.shape)} lies on ${memory.backend.device}, which was closed`,
    );
  }
  const needed = x.size === 0 ? 0 : lastElement(x) + 1;
  const capacity = memory.capacity(dtype);
  if (needed <= capacity && !memory.freed) return;
  throw new QkNormError(
    "ERR_QKNORM_LAYOUT",
    memory.freed
      ? `${name} of shape ${formatShape(x.shape)} lies in memory of ${memory.backend.device} that was freed, by dispose, by using or at the end of a tidy`
      : `${name} of shape ${formatShape(x.shape)} from element ${x.offset} needs ${needed} elements, its memory has ${capacity}`,
  );
}

// Whether the terms, longest stride first, can add up to the target. Each term leaves the next ones only as many
// coefficients as their own reach can make up for: two or three where strides are nested, as in all dense memory.
function mayReach(terms: readonly Term[], target: number): boolean {
  const reaches = [{ least: 0, most: 0 }];
  for (const { stride, least, most } of terms.toReversed()) {
    const rest = reaches[0] as { least: number; most: number };
    reaches.unshift({ least: rest.least + least * stride, most: rest.most + most * stride });
  }
  let steps = 0;
  const search = (index: number, missing: number): boolean => {
    const { stride, least, most } = terms[index] as Term;
    const rest = reaches[index + 1] as { least: number; most: number };
    const first = Math.max(least, Math.ceil((missing - rest.most) / stride));
    const last = Math.min(most, Math.floor((missing - rest.least) / stride));
    if (index === terms.length - 1) return first <= last;
    for (let coefficient = first; coefficient <= last; coefficient++) {
      if (++steps > maxSteps || search(index + 1, missing - coefficient * stride)) return true;
    }
    return false;
  };
  return search(0, target);
}

function firstByte(x: TensorView): number {
  return byteOf(x, x.offset);
}

function endByte(x: TensorView): number {
  return byteOf(x, lastElement(x) + 1);
}

function byteOf({ memory, dtype }: TensorView, element: number): number {
  return memory.start + element * bytesOf[dtype];
}
