import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import { requireCall, requireSizes } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

const threads = 256;
/** Blocks of a row: enough to read it at the rate of the memory, few enough to be joined by one. */
const mostParts = 128;
const perThread = 8;

const parted = new FormLaunches<
  { readonly dtype: FloatDtype },
  "logits" | "keys" | "stride" | "width" | "parts"
>(
  new CudaOp({
    kernel: "likeliest_parts",
    includes: ["scalars.cuh", "token_keys.cuh"],
    parameters: { logits: "address", keys: "address", stride: "i64", width: "u32", parts: "u32" },
    macros: ({ dtype }) => ({ QK_DTYPE: dtypeNumbers[dtype] }),
  }),
  ["logits", "keys"],
);

const joined = new FormLaunches<object, "keys" | "ids" | "positions" | "log" | "parts" | "places">(
  new CudaOp({
    kernel: "likeliest_join",
    includes: ["token_keys.cuh"],
    parameters: {
      ...({ keys: "address", ids: "address", positions: "address", log: "address" } as const),
      ...({ parts: "u32", places: "u32" } as const),
    },
    macros: () => ({}),
  }),
  ["keys", "ids", "positions", "log"],
);

/** `logits [rows, width]`; i32 `ids` and `positions` `[rows]`, and `log [rows, places]`. */
export interface CudaLikeliest {
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly width: number;
  readonly places: number;
  readonly logits: CudaRows;
  readonly ids: CudaPlace;
  readonly positions: CudaPlace;
  readonly log: CudaPlace;
}

/** Bytes that `cudaLikeliest` needs between its two kernels. */
export function likeliestScratch(rows: number, width: number): number {
  requireSizes({ rows, width });
  return 8 * rows * partsOf(width);
}

/** Queues it, over scratch memory of `likeliestScratch` bytes. Throws as `cudaElementwise` does. */
export function cudaLikeliest(
  kernels: CudaKernels,
  stream: CudaStream,
  call: CudaLikeliest,
  scratch: CudaMemory,
): void {
  requireCall(kernels, stream, call, "cudaLikeliest", ["logits", "ids", "positions", "log"]);
  const { dtype, rows, width, places, logits, ids, positions, log } = call;
  const [parts, bytes] = [partsOf(width), bytesOf(dtype)];
  const keyBytes = likeliestScratch(rows, width);
  const [at, stride] = [logits.offset * bytes, logits.rowStride * bytes];
  parted
    .take(kernels, { dtype }, rows * parts, threads)
    .set("stride", stride)
    .set("width", width)
    .set("parts", parts)
    .bind("logits", logits.memory, at, (rows - 1) * stride + width * bytes)
    .bind("keys", scratch, 0, keyBytes)
    .run(stream);
  joined
    .take(kernels, {}, rows, threads / 2)
    .set("parts", parts)
    .set("places", places)
    .bind("keys", scratch, 0, keyBytes)
    .bind("ids", ids.memory, ids.offset * 4, rows * 4)
    .bind("positions", positions.memory, positions.offset * 4, rows * 4)
    .bind("log", log.memory, log.offset * 4, rows * places * 4)
    .run(stream);
}

function partsOf(width: number): number {
  return Math.min(mostParts, Math.ceil(width / (threads * perThread)));
}
