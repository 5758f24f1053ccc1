import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  /** Of a piece: neighbours in both views. */
  readonly bytes: 16 | 8 | 4 | 2;
  readonly rank: number;
}

/** The most axes that are left once neighbours are joined. */
const mostAxes = 8;
const threads = 256;
const axes = Array.from({ length: mostAxes }, (_, axis) => axis);

type Numbered<Name extends string> = `${Name}${number}`;

const launches = new FormLaunches<
  Form,
  "from" | "to" | Numbered<"fromStride" | "toStride" | "size"> | "count"
>(
  new CudaOp({
    kernel: "copy",
    parameters: {
      ...({ from: "address", to: "address" } as const),
      ...Object.fromEntries(axes.map((axis) => [`fromStride${axis}`, "i64" as const])),
      ...Object.fromEntries(axes.map((axis) => [`toStride${axis}`, "i64" as const])),
      ...Object.fromEntries(axes.map((axis) => [`size${axis}`, "u32" as const])),
      count: "u32",
    },
    macros: ({ bytes, rank }) => ({ QK_BYTES: bytes, QK_RANK: rank }),
  }),
  ["from", "to"],
);

/** One axis of both views: how many elements, and how far apart in bytes. */
export interface CopyAxis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

export interface CudaCopy {
  /** Bytes of an element: 2 or 4. */
  readonly elementBytes: 2 | 4;
  readonly axes: readonly CopyAxis[];
  /** Offsets in bytes. */
  readonly from: CudaPlace;
  readonly to: CudaPlace;
}

/**
 * Queues the copy of a strided view into another that shares no bytes with it; `false`, with nothing done, when more
 * axes are left than the kernel has. Throws as `cudaElementwise` does.
 */
export function cudaCopy(kernels: CudaKernels, stream: CudaStream, call: CudaCopy): boolean {
  requireCall(kernels, stream, call, "cudaCopy", ["from", "to"]);
  const { bytes, axes } = piecesOf(call);
  if (axes.length > mostAxes) return false;
  const count = axes.reduce((product, { size }) => product * size, 1);
  const launch = launches
    .take(kernels, { bytes, rank: axes.length }, Math.ceil(count / threads), threads)
    .set("count", count);
  axes.forEach(({ size, from, to }, axis) => {
    launch.set(`size${axis}`, size).set(`fromStride${axis}`, from).set(`toStride${axis}`, to);
  });
  const reach = (side: "from" | "to") =>
    axes.reduce<number>((end, axis) => end + (axis.size - 1) * axis[side], bytes);
  launch
    .bind("from", call.from.memory, call.from.offset, reach("from"))
    .bind("to", call.to.memory, call.to.offset, reach("to"))
    .run(stream);
  return true;
}

/** The widest pieces that lie dense and aligned in both, and the axes over them, neighbours joined. */
function piecesOf({ elementBytes, axes, from, to }: CudaCopy): { bytes: Form["bytes"]; axes: CopyAxis[] } {
  const joined = joinedAxes(axes);
  const last = joined.at(-1);
  const strides = joined.slice(0, -1).flatMap((axis) => [axis.from, axis.to]);
  const dense = last?.from === elementBytes && last.to === elementBytes;
  const bytes = ([16, 8, 4] as const).find(
    (wide) =>
      wide > elementBytes &&
      dense &&
      [from.offset, to.offset, last.size * elementBytes, ...strides].every((n) => n % wide === 0),
  );
  if (bytes === undefined || last === undefined) {
    return { bytes: elementBytes, axes: joined.length > 0 ? joined : [{ size: 1, from: 0, to: 0 }] };
  }
  const pieces = { size: (last.size * elementBytes) / bytes, from: bytes, to: bytes };
  return { bytes, axes: [...joined.slice(0, -1), pieces] };
}

/** Axes of one element left out, and an axis joined with the one inside it where both sides lie so. */
function joinedAxes(axes: readonly CopyAxis[]): CopyAxis[] {
  const joined: CopyAxis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = joined.at(-1);
    if (outer !== undefined && outer.from === axis.size * axis.from && outer.to === axis.size * axis.to) {
      joined[joined.length - 1] = { size: outer.size * axis.size, from: axis.from, to: axis.to };
    } else {
      joined.push(axis);
    }
  }
  return joined;
}
