import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

const mostThreads = 1024;
const leastThreads = 32;
/** Neighbouring logits share a random counter. */
const perThread = 4;
const addresses = ["logits", "settings", "keys", "counters", "ids", "positions", "log"] as const;

type Address = (typeof addresses)[number] | "seen";

interface SampleForm {
  readonly dtype: FloatDtype;
  readonly penalties: "none" | "seen";
  readonly threads: number;
}

const op = new CudaOp<SampleForm, Address | "stride" | "width" | "places">({
  kernel: "sample",
  includes: ["scalars.cuh", "token_keys.cuh", "philox.cuh"],
  parameters: {
    ...({ logits: "address", settings: "address", keys: "address", counters: "address" } as const),
    ...({ seen: "address", ids: "address", positions: "address", log: "address" } as const),
    ...({ stride: "i64", width: "u32", places: "u32" } as const),
  },
  macros: ({ dtype, penalties, threads }) => ({
    QK_DTYPE: dtypeNumbers[dtype],
    QK_SEEN: penalties === "seen" ? 1 : 0,
    QK_THREADS: threads,
  }),
});

const without = new FormLaunches(op, addresses);
const withSeen = new FormLaunches(op, [...addresses, "seen"]);

/**
 * `logits [rows, width]`; f32 `settings [rows, 6]`; i32 `keys [rows, 3]`, `counters`, `ids` and `positions` `[rows]`,
 * `log [rows, places]`, and `seen [rows, width]` where there are penalties.
 */
export interface CudaSample {
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly width: number;
  readonly places: number;
  readonly logits: CudaRows;
  readonly settings: CudaPlace;
  readonly keys: CudaPlace;
  readonly counters: CudaPlace;
  readonly seen: CudaPlace | null;
  readonly ids: CudaPlace;
  readonly positions: CudaPlace;
  readonly log: CudaPlace;
}

/** Queues it. Throws as `cudaElementwise` does. */
export function cudaSample(kernels: CudaKernels, stream: CudaStream, call: CudaSample): void {
  const { dtype, rows, width, places, logits, seen } = call;
  const bytes = bytesOf(dtype);
  const [at, stride] = [logits.offset * bytes, logits.rowStride * bytes];
  const launches = seen === null ? without : withSeen;
  const threads = threadsFor(width);
  const form: SampleForm = { dtype, penalties: seen === null ? "none" : "seen", threads };
  const launch = launches.take(kernels, form, rows, threads);
  launch.set("stride", stride).set("width", width).set("places", places);
  launch.bind("logits", logits.memory, at, (rows - 1) * stride + width * bytes);
  const lengths = { settings: 6, keys: 3, counters: 1, ids: 1, positions: 1, log: places } as const;
  for (const [name, length] of Object.entries(lengths) as [keyof typeof lengths, number][]) {
    const { memory, offset } = call[name];
    launch.bind(name, memory, offset * 4, rows * length * 4);
  }
  if (seen !== null) launch.bind("seen", seen.memory, seen.offset * 4, rows * width * 4);
  launch.run(stream);
}

/** A power of two. */
function threadsFor(width: number): number {
  const enough = 2 ** Math.ceil(Math.log2(width / perThread));
  return Math.min(mostThreads, Math.max(leastThreads, enough));
}
