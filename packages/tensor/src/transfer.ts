import { formatShape, QkNormError } from "@qknorm/core";
import { copyElements, countRuns, eachRun, type HostView } from "./copy.ts";
import { CudaStorage } from "./cuda/storage.ts";
import { allocate, bytesOf } from "./dtype.ts";
import { assertMemory, assertNoSelfOverlap, type MemoryView, mayShareMemory } from "./memory.ts";
import { contiguousStrides, isContiguous, lastElement } from "./strides.ts";

/** A view in the memory of a device. */
interface DeviceView extends MemoryView {
  readonly storage: CudaStorage;
}

// Each run is a copy of its own, some microseconds of host time: past this many, the layout is the mistake.
const mostRuns = 65_536;

/**
 * Copies the elements of a view into another one, wherever both lie; they may overlap. Work for a device is queued;
 * copies to the CPU wait for it. Between two devices they go through the CPU.
 *
 * Throws what `Tensor.copyFrom` does.
 */
export function copyView(source: MemoryView, target: MemoryView): void {
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
  const shared = mayShareMemory(source, target);
  if (isOnDevice(target)) {
    if (!isOnDevice(source)) upload(asHostView(source), target);
    else if (source.storage.ordinal !== target.storage.ordinal) upload(downloaded(source), target);
    else if (shared) copyThroughOther(source, target);
    else copyOnDevice(source, target);
  } else if (!isOnDevice(source)) {
    copyElements(shared ? denseCopy(source) : asHostView(source), asHostView(target));
  } else if (isContiguous(source.shape, source.strides) && isContiguous(target.shape, target.strides)) {
    const { data, offset } = asHostView(target);
    source.storage.download(
      data.subarray(offset, offset + target.size),
      source.offset * bytesOf[source.dtype],
    );
  } else {
    copyElements(downloaded(source), asHostView(target));
  }
}

function isOnDevice(view: MemoryView): view is DeviceView {
  return view.storage instanceof CudaStorage;
}

function asHostView({ storage, shape, strides, offset }: MemoryView): HostView {
  return { data: storage as HostView["data"], shape, strides, offset };
}

function denseCopy(source: MemoryView): HostView {
  const { shape, dtype, size } = source;
  const copy = { data: allocate(dtype, size), shape, strides: contiguousStrides(shape), offset: 0 };
  copyElements(asHostView(source), copy);
  return copy;
}

// What lies between the elements of the source comes along: one transfer is faster than many, whatever the gaps.
function downloaded({ storage, dtype, shape, strides, offset }: DeviceView): HostView {
  const data = allocate(dtype, lastElement({ shape, strides, offset }) + 1 - offset);
  storage.download(data, offset * bytesOf[dtype]);
  return { data, shape, strides, offset: 0 };
}

function upload(source: HostView, target: DeviceView): void {
  const width = bytesOf[target.dtype];
  const dense = isContiguous(source.shape, source.strides)
    ? source
    : denseCopy({ ...target, ...source, storage: source.data });
  assertFewRuns(dense, target);
  eachRun(dense, target, (read, write, count) => {
    target.storage.upload(dense.data.subarray(read, read + count), write * width);
  });
}

function copyOnDevice(source: DeviceView, target: DeviceView): void {
  const width = bytesOf[target.dtype];
  assertFewRuns(source, target);
  eachRun(source, target, (read, write, count) => {
    target.storage.copyFrom(source.storage, read * width, write * width, count * width);
  });
}

function copyThroughOther(source: DeviceView, target: DeviceView): void {
  const { shape, dtype, size } = source;
  const bytes = size * bytesOf[dtype];
  const storage = new CudaStorage(source.storage.ordinal, bytes, () => `a copy of ${formatShape(shape)}`);
  const before = { storage, dtype, shape, strides: contiguousStrides(shape), offset: 0, size };
  try {
    copyOnDevice(source, before);
    copyOnDevice(before, target);
  } finally {
    storage.free();
  }
}

function assertFewRuns(source: HostView | DeviceView, target: DeviceView): void {
  const runs = countRuns(source, target);
  if (runs <= mostRuns) return;
  throw new QkNormError(
    "ERR_QKNORM_LAYOUT",
    `${formatShape(target.shape)} from strides ${formatShape(source.strides)} to ${formatShape(target.strides)} on ${target.storage.device} is ${runs} separate copies, and at most ${mostRuns} are made: go through the CPU, or keep the last axes dense`,
  );
}
