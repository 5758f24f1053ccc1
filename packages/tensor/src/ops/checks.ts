import { formatShape, type NormRounding, type NormSpec, QkNormError } from "@qknorm/core";
import type { Backend, OpName, Ops } from "../backend.ts";
import { type Dtype, floatDtypes } from "../dtype.ts";
import { Indices } from "../indices.ts";
import { shownKind } from "../made-elsewhere.ts";
import { assertMemory } from "../overlap.ts";
import { lastAxisIsDense, shown, sizeOf } from "../strides.ts";
import { Tensor } from "../tensor.ts";

/** Throws `ERR_QKNORM_SHAPE` unless the condition holds; the shapes of the tensors are added to the message. */
export function requireShape(holds: boolean, what: string, tensors: Readonly<Record<string, Tensor>>): void {
  if (holds) return;
  const shapes = Object.entries(tensors).map(([name, tensor]) => `${name} ${formatShape(tensor.shape)}`);
  throw new QkNormError("ERR_QKNORM_SHAPE", `${what}: ${shapes.join(", ")}`);
}

/**
 * Throws unless the value is a tensor (`ERR_QKNORM_ARGUMENT`) of one of the dtypes (`ERR_QKNORM_DTYPE`), on a device that
 * is open (`ERR_QKNORM_DEVICE`), and still has its memory (`ERR_QKNORM_LAYOUT`).
 */
export function requireTensor(
  value: unknown,
  name: string,
  dtypes: readonly Dtype[] = floatDtypes,
): asserts value is Tensor {
  if (!Tensor.is(value)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `${name} must be a Tensor, got ${shownKind(value)}`);
  }
  if (!dtypes.includes(value.dtype)) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `${name} must be ${dtypes.join(" or ")}, got ${value.dtype}`);
  }
  assertMemory(value, name);
}

/** The backend of the tensors of an op, the first of which says where it runs. `ERR_QKNORM_DEVICE` names one elsewhere. */
export function backendOfAll(tensors: Readonly<Record<string, Tensor | null>>): Backend {
  // Every op of a decode step comes by here: nothing is allocated.
  let first: Tensor | null = null;
  for (const name in tensors) {
    const tensor = tensors[name] as Tensor | null;
    if (tensor === null) continue;
    first ??= tensor;
    const { device } = first;
    if (tensor.memory.backend === first.memory.backend) continue;
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${name} is on ${tensor.device} and the op runs on ${device}: move it with to("${device}")`,
    );
  }
  return (first as Tensor).memory.backend;
}

/** The op of a backend. Throws `ERR_QKNORM_DEVICE` where it has none: nothing moves to another device by itself. */
export function opOf<Name extends OpName>(backend: Backend, name: Name): Ops[Name] {
  const op = backend.ops[name];
  if (op !== undefined) return op;
  throw new QkNormError(
    "ERR_QKNORM_DEVICE",
    `${backend.device} has no ${name}; it has ${Object.keys(backend.ops).join(", ")}: move the tensors to the cpu for it`,
  );
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value names a rounding. */
export function requireRounding(value: unknown): asserts value is NormRounding {
  if (value !== "once" && value !== "hf") {
    const seen = typeof value === "string" ? JSON.stringify(value) : shown(value);
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `rounding must be "once" or "hf", got ${seen}`);
  }
}

/**
 * Throws `ERR_QKNORM_ARGUMENT` unless these are indices below `count`; those that a device made are judged by their
 * bound. `what` names one of them.
 */
export function requireWithin(indices: unknown, count: number, what: string): asserts indices is Indices {
  if (!Indices.is(indices)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${what}s must be Indices (Indices.from([...])), got ${shownKind(indices)}`,
    );
  }
  if (indices.bound <= count) return;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    indices.values === null
      ? `${what}s that the device made may reach ${indices.bound - 1}, which is outside 0..${count - 1}`
      : `${what} ${indices.bound - 1} is outside 0..${count - 1}`,
  );
}

/** Throws unless weight and bias are float tensors of `headDim` or `heads * headDim` values. */
export function checkAffine(spec: NormSpec<Tensor>, headDim: number, heads: number, side: string): void {
  for (const [name, values] of [
    ["weight", spec.weight],
    ["bias", spec.bias ?? null],
  ] as const) {
    if (values === null) continue;
    requireTensor(values, `${side} norm's ${name}`);
    if (values.size !== headDim && values.size !== heads * headDim) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${side} norm's ${name} has shape ${formatShape(values.shape)}; it must be [${headDim}] or [${heads}, ${headDim}]`,
      );
    }
  }
}

/** A tensor of at least one dimension as `[rows, last]` with a dense last axis; copies only if strides do not allow it. */
export function asRows(x: Tensor): Tensor {
  if (x.shape.length === 2 && lastAxisIsDense(x)) return x;
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
