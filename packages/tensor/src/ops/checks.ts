import { formatShape, type NormRounding, QkNormError } from "@qknorm/core";
import type { Device } from "../device.ts";
import { type Dtype, floatDtypes } from "../dtype.ts";
import { assertMemory } from "../memory.ts";
import { shown, sizeOf } from "../strides.ts";
import { Tensor } from "../tensor.ts";

/** Throws `ERR_QKNORM_SHAPE` unless the condition holds; the shapes of the tensors are added to the message. */
export function requireShape(holds: boolean, what: string, tensors: Readonly<Record<string, Tensor>>): void {
  if (holds) return;
  const shapes = Object.entries(tensors).map(([name, tensor]) => `${name} ${formatShape(tensor.shape)}`);
  throw new QkNormError("ERR_QKNORM_SHAPE", `${what}: ${shapes.join(", ")}`);
}

/**
 * Throws unless the value is a tensor (`ERR_QKNORM_ARGUMENT`) of one of the dtypes (`ERR_QKNORM_DTYPE`), on the device
 * that the op runs on (`ERR_QKNORM_DEVICE`), and still has its memory (`ERR_QKNORM_LAYOUT`).
 */
export function requireTensor(
  value: unknown,
  name: string,
  dtypes: readonly Dtype[] = floatDtypes,
  device: Device = "cpu",
): asserts value is Tensor {
  if (!Tensor.is(value)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `${name} must be a Tensor, got ${shown(value)}`);
  }
  if (!dtypes.includes(value.dtype)) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `${name} must be ${dtypes.join(" or ")}, got ${value.dtype}`);
  }
  if (value.device !== device) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${name} is on ${value.device} and the op runs on ${device}: move it with to("${device}")`,
    );
  }
  assertMemory(value, name);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value names a rounding. */
export function requireRounding(value: unknown): asserts value is NormRounding {
  if (value !== "once" && value !== "hf") {
    const seen = typeof value === "string" ? JSON.stringify(value) : shown(value);
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `rounding must be "once" or "hf", got ${seen}`);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` unless every value of i32 `indices [T]` is within `0..count - 1`. */
export function requireWithin(indices: Tensor, count: number, what: string): void {
  const { data, offset, size } = indices;
  const stride = indices.strides[0] as number;
  for (let i = 0; i < size; i++) {
    const index = data[offset + i * stride] as number;
    if (index < 0 || index >= count) {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `${what} ${index} is outside 0..${count - 1}`);
    }
  }
}

/** Whether the last axis lies dense, as kernels need it. */
export function lastAxisIsDense(x: Tensor): boolean {
  return x.size === 0 || x.shape.at(-1) === 1 || x.strides.at(-1) === 1;
}

/** A tensor of at least one dimension as `[rows, last]` with a dense last axis; copies only if strides do not allow it. */
export function asRows(x: Tensor): Tensor {
  const view = x.reshape([sizeOf(x.shape.slice(0, -1)), x.shape.at(-1) as number]);
  return lastAxisIsDense(view) ? view : view.toContiguous();
}

/** The elements of a tensor in row-major order as `[N]`; copies only if strides do not allow it. */
export function asFlat(x: Tensor): Tensor {
  const view = x.reshape([x.size]);
  return lastAxisIsDense(view) ? view : view.toContiguous();
}

/** A shape with another last dimension. */
export function withLast(shape: readonly number[], last: number): number[] {
  return [...shape.slice(0, -1), last];
}
