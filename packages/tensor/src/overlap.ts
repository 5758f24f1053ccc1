import { lastElement } from "./ops/checks.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Whether two tensors share an element. Exact for the packings of attention (slices of one row, heads interleaved
 * with other heads); for other tensors whose address ranges meet, the answer is the safe one: yes.
 *
 * The proof of the contrary: modulo some period, one of the strides, the two tensors cover columns that do not meet.
 */
export function mayShareMemory(a: Tensor, b: Tensor): boolean {
  if (a.size === 0 || b.size === 0 || a.data.buffer !== b.data.buffer) return false;
  const [rangeA, rangeB] = [byteRange(a), byteRange(b)];
  if (rangeA.end <= rangeB.start || rangeB.end <= rangeA.start) return false;
  const periods = new Set([...byteStrides(a), ...byteStrides(b)]);
  for (const period of periods) {
    const columnsA = columns(a, rangeA.start, period);
    const columnsB = columns(b, rangeB.start, period);
    if (columnsA === null || columnsB === null) continue;
    if (!columnsA.some((x) => columnsB.some((y) => x.start < y.end && y.start < x.end))) return false;
  }
  return true;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function byteRange(x: Tensor): Range {
  const bytes = x.data.BYTES_PER_ELEMENT;
  const start = x.data.byteOffset + x.offset * bytes;
  return { start, end: x.data.byteOffset + (lastElement(x) + 1) * bytes };
}

function byteStrides(x: Tensor): number[] {
  const strides = x.strides.filter((stride, axis) => (x.shape[axis] as number) > 1 && stride > 0);
  return strides.map((stride) => stride * x.data.BYTES_PER_ELEMENT);
}

// The bytes a tensor covers modulo a period: the run of all axes that are not whole periods, split where it wraps.
function columns(x: Tensor, start: number, period: number): Range[] | null {
  const bytes = x.data.BYTES_PER_ELEMENT;
  let reach = 1;
  for (const [axis, dim] of x.shape.entries()) {
    const stride = x.strides[axis] as number;
    if ((stride * bytes) % period !== 0) reach += (dim - 1) * stride;
  }
  const width = reach * bytes;
  if (width > period) return null;
  const first = start % period;
  if (first + width <= period) return [{ start: first, end: first + width }];
  return [
    { start: first, end: period },
    { start: 0, end: first + width - period },
  ];
}
