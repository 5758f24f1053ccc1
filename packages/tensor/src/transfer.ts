import { formatShape, QkNormError } from "@qknorm/core";
import type { Backend, Memory, TensorView } from "./backend.ts";
import { assertFewRuns, copyElements, eachRun, type HostView } from "./copy.ts";
import { allocate, bytesOf, type HostArray } from "./dtype.ts";
import { assertMemory, assertNoSelfOverlap, mayShareMemory } from "./overlap.ts";
import { contiguousStrides, isContiguous, lastElement } from "./strides.ts";

/**
 * Copies the elements of a view into another one, wherever both lie; they may overlap. Work for a device is queued;
 * copies to the CPU wait for it. Between two devices they go through the CPU.
 *
 * Throws what `Tensor.copyFrom` does.
 */
export function copyView(source: TensorView, target: TensorView): void {
  if (source.dtype !== target.dtype) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `cannot copy ${source.dtype} into ${target.dtype}`);
  }
  if (formatShape(source.shape) !== formatShape(target.shape)) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `cannot copy ${formatShape(source.shape)} into ${formatShape(target.shape)}`,
    );
  }
  assertMemory(source, "the source");
  assertMemory(target, "the target");
  assertNoSelfOverlap(target, "the target");
  if (target.size === 0) return;
  if (source.memory.backend !== target.memory.backend) copyAcross(source, target);
  else if (mayShareMemory(source, target)) copyThroughOther(source, target);
  else target.memory.backend.copy(source, target);
}

/** The elements of a view in row-major order, read at once. Throws `ERR_QKNORM_DEVICE` where a device cannot be waited for. */
export function readNow(view: TensorView): HostArray {
  assertMemory(view, "the tensor");
  return denseOf(onHost(view), view);
}

/** The elements of a view in row-major order, once what was queued before has run. */
export async function read(view: TensorView): Promise<HostArray> {
  assertMemory(view, "the tensor");
  const { data, shape, strides, memory } = spanOf(view);
  await memory.backend.read(memory, view.offset * bytesOf[view.dtype], data);
  return denseOf({ data, shape, strides, offset: 0 }, view);
}

function copyAcross(source: TensorView, target: TensorView): void {
  const { memory, dtype, offset, size } = source;
  const { data } = target.memory;
  const dense = isContiguous(source.shape, source.strides) && isContiguous(target.shape, target.strides);
  if (data !== null && dense && memory.backend.readNow !== undefined) {
    const into = data.subarray(target.offset, target.offset + size);
    memory.backend.readNow(memory, offset * bytesOf[dtype], into);
  } else {
    upload(onHost(source), target);
  }
}

// A view of V8 memory as it is; of a device, a copy. What lies between the elements comes along: one transfer is faster
// than many, whatever the gaps.
function onHost(view: TensorView): HostView {
  const { memory, shape, strides, offset } = view;
  if (memory.data !== null) return { data: memory.data, shape, strides, offset };
  const { backend } = memory;
  if (backend.readNow === undefined) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${backend.device} cannot be read at once; await the tensor's read() instead`,
    );
  }
  const { data } = spanOf(view);
  backend.readNow(memory, offset * bytesOf[view.dtype], data);
  return { data, shape, strides, offset: 0 };
}

/** Memory for what a view reaches, from its first element to its last. */
function spanOf(view: TensorView): HostView & { readonly memory: Memory } {
  const length = view.size === 0 ? 0 : lastElement(view) + 1 - view.offset;
  return { ...view, data: allocate(view.dtype, length), memory: view.memory };
}

/** A dense copy, or the array itself where it holds nothing else and is nobody's. */
function denseOf(host: HostView, { dtype, size, memory }: TensorView): HostArray {
  const dense = isContiguous(host.shape, host.strides);
  if (dense && host.data !== memory.data && host.offset === 0) return host.data;
  const copy = { ...host, data: allocate(dtype, size), strides: contiguousStrides(host.shape), offset: 0 };
  if (size > 0) copyElements(host, copy);
  return copy.data;
}

function upload(source: HostView, target: TensorView): void {
  const { memory } = target;
  const width = bytesOf[target.dtype];
  if (memory.data !== null) {
    copyElements(source, { ...target, data: memory.data });
    return;
  }
  const dense = isContiguous(source.shape, source.strides)
    ? source
    : {
        ...source,
        data: denseOf(source, target),
        strides: contiguousStrides(source.shape),
        offset: 0,
      };
  assertFewRuns(dense, target, memory.backend.device);
  eachRun(dense, target, (from, to, count) => {
    memory.backend.write(memory, to * width, dense.data.subarray(from, from + count));
  });
}

function copyThroughOther(source: TensorView, target: TensorView): void {
  const { shape, dtype, size } = source;
  const { backend } = source.memory;
  const before = denseView(backend, source, () => `a copy of ${formatShape(shape)} of ${dtype}`);
  try {
    if (size > 0) backend.copy(source, before);
    backend.copy(before, target);
  } finally {
    before.memory.free();
  }
}

function denseView(backend: Backend, { shape, dtype, size }: TensorView, what: () => string): TensorView {
  const memory = backend.allocate(dtype, size, what);
  return { memory, dtype, shape, strides: contiguousStrides(shape), offset: 0, size };
}
