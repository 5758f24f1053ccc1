import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import { requireCall, requireSizes } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

const mostThreads = 1024;
const leastThreads = 32;
/** Of a block of the first two kernels, and the warps of it that take a chunk each. */
const partThreads = 256;
const warpsOfMaxima = 8;
/** Neighbouring logits share a random counter. */
const perThread = 4;
/** Of a row: they lie in the shared memory of the block that draws (sample.cu). */
const mostChunks = 2048;
const leastChunk = 32;

const addresses = [
  ...(["logits", "settings", "keys", "counters", "maxima", "winners", "masses"] as const),
  ...(["ids", "positions", "log"] as const),
] as const;

type Address = (typeof addresses)[number] | "seen";
type Count = "width" | "places" | "chunk" | "chunks" | "part" | "parts";

interface SampleForm {
  readonly dtype: FloatDtype;
  readonly penalties: "none" | "seen";
  /** Of a block of the last kernel. */
  readonly threads: number;
}

/** The kernels of a draw are told the same (draw_row.cuh). */
function drawOp(kernel: string): CudaOp<SampleForm, Address | "stride" | Count> {
  return new CudaOp({
    kernel,
    includes: ["scalars.cuh", "token_keys.cuh", "philox.cuh", "draw_row.cuh"],
    parameters: {
      ...({ logits: "address", settings: "address", keys: "address", counters: "address" } as const),
      ...({ seen: "address", maxima: "address", winners: "address", masses: "address" } as const),
      ...({ ids: "address", positions: "address", log: "address", stride: "i64" } as const),
      ...({ width: "u32", places: "u32", chunk: "u32", chunks: "u32", part: "u32", parts: "u32" } as const),
    },
    macros: ({ dtype, penalties, threads }) => ({
      QK_DTYPE: dtypeNumbers[dtype],
      QK_SEEN: penalties === "seen" ? 1 : 0,
      QK_THREADS: threads,
    }),
  });
}

const ops = [drawOp("sample_maxima"), drawOp("sample_parts"), drawOp("sample")];
const without = ops.map((op) => new FormLaunches(op, addresses));
const withSeen = ops.map((op) => new FormLaunches(op, [...addresses, "seen"]));

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

/** Bytes that `cudaSample` needs between its kernels. */
export function sampleScratch(rows: number, width: number): number {
  requireSizes({ rows, width });
  const { chunks, parts } = cutOf(width);
  return 8 * rows * (chunks + 2 * parts);
}

/** Queues it, over scratch memory of `sampleScratch` bytes. Throws as `cudaElementwise` does. */
export function cudaSample(
  kernels: CudaKernels,
  stream: CudaStream,
  call: CudaSample,
  scratch: CudaMemory,
): void {
  requireCall(kernels, stream, call, "cudaSample", [
    "logits",
    "settings",
    "keys",
    "counters",
    "ids",
    "positions",
    "log",
  ]);
  const { dtype, rows, width, places, logits, seen } = call;
  const bytes = bytesOf(dtype);
  const [at, stride] = [logits.offset * bytes, logits.rowStride * bytes];
  const cut = cutOf(width);
  const threads = threadsFor(width);
  const form: SampleForm = { dtype, penalties: seen === null ? "none" : "seen", threads };
  const grids = [
    [rows * Math.ceil(cut.chunks / warpsOfMaxima), partThreads],
    [rows * cut.parts, partThreads],
    [rows, threads],
  ] as const;
  for (const [number, launches] of (seen === null ? without : withSeen).entries()) {
    const [blocks, blockThreads] = grids[number] as (typeof grids)[number];
    const launch = launches.take(kernels, form, blocks, blockThreads);
    launch.set("stride", stride).set("width", width).set("places", places);
    for (const [name, count] of Object.entries(cut) as [keyof Cut, number][]) launch.set(name, count);
    launch.bind("logits", logits.memory, at, (rows - 1) * stride + width * bytes);
    const lengths = { settings: 6, keys: 3, counters: 1, ids: 1, positions: 1, log: places } as const;
    for (const [name, length] of Object.entries(lengths) as [keyof typeof lengths, number][]) {
      const { memory, offset } = call[name];
      launch.bind(name, memory, offset * 4, rows * length * 4);
    }
    if (seen !== null) launch.bind("seen", seen.memory, seen.offset * 4, rows * width * 4);
    const [maximaBytes, partBytes] = [8 * rows * cut.chunks, 8 * rows * cut.parts];
    launch.bind("maxima", scratch, 0, maximaBytes).bind("winners", scratch, maximaBytes, partBytes);
    launch.bind("masses", scratch, maximaBytes + partBytes, partBytes).run(stream);
  }
}

/** How a row is cut: tokens of a chunk and of a part, and how many there are of each. */
interface Cut {
  readonly chunk: number;
  readonly chunks: number;
  readonly part: number;
  readonly parts: number;
}

function cutOf(width: number): Cut {
  const chunk = 2 ** Math.ceil(Math.log2(Math.max(leastChunk, width / mostChunks)));
  const part = Math.max(chunk, perThread * partThreads);
  return { chunk, chunks: Math.ceil(width / chunk), part, parts: Math.ceil(width / part) };
}

/** A power of two. */
function threadsFor(width: number): number {
  const enough = 2 ** Math.ceil(Math.log2(width / perThread));
  return Math.min(mostThreads, Math.max(leastThreads, enough));
}
