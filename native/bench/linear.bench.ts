// How fast the ops around QK norm run on this CPU: matrix-vector products and decode attention against the rate at
// which memory can be copied, matrix products against OpenBLAS, and what one call costs before it computes anything.
// Run it with `npm run bench`.
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import type { BindingModule } from "../src/binding.ts";
import {
  type AttentionCall,
  attention,
  blasInfo,
  type CpuIsa,
  cpuIsa,
  type LinearCall,
  linear,
  loadBinding,
  threadCount,
} from "../src/index.ts";

/** A bound by memory: `GBs` counts the bytes read. */
export interface MemoryRow {
  readonly what: string;
  readonly microseconds: number;
  readonly GBs: number;
  /** Of the bytes that a copy moves per second, read and written. */
  readonly fractionOfCopy: number;
}

/** A bound by arithmetic: a multiplication and an addition are two operations. */
export interface ArithmeticRow {
  readonly what: string;
  readonly milliseconds: number;
  readonly GFLOPs: number;
}

export interface LinearBenchResult {
  readonly device: string;
  readonly date: string;
  readonly isa: CpuIsa;
  readonly threads: number;
  readonly openBlas: string | null;
  readonly copyGBs: number;
  /** A product of 1 x 1 by 1 x 1 through the TypeScript wrapper. */
  readonly callMicroseconds: number;
  readonly memory: readonly MemoryRow[];
  readonly arithmetic: readonly ArithmeticRow[];
}

/** Measures everything; about half a minute. Throws `ERR_NATIVE` without the addon. */
export async function benchLinear(): Promise<LinearBenchResult> {
  const copyGBs = measureCopy(loadBinding().binding as BindingModule);
  const openBlas = blasInfo().library;
  const memory: MemoryRow[] = [];
  for (const [rows, inFeatures, outFeatures] of [
    [1, 1024, 151_936],
    [2, 1024, 151_936],
    [4, 1024, 151_936],
    [1, 4096, 12_288],
    [1, 1024, 6144],
  ] as const) {
    const call = product(rows, inFeatures, outFeatures, "own");
    const bytes = 2 * inFeatures * outFeatures;
    memory.push(
      memoryRow(`linear ${rows} x ${inFeatures} x ${outFeatures}`, () => linear(call), bytes, copyGBs),
    );
  }
  for (const [keys, queryHeads, rounding] of [
    [4096, 16, "once"],
    [32_768, 16, "once"],
    [32_768, 32, "once"],
    [4096, 16, "hf"],
  ] as const) {
    const call = decode(keys, queryHeads, rounding);
    const what = `attention of 1 token, ${keys} keys, ${queryHeads}/8 heads, ${rounding}`;
    memory.push(memoryRow(what, () => attention(call), 2 * 2 * keys * 8 * 128, copyGBs));
  }

  const arithmetic: ArithmeticRow[] = [];
  for (const [rows, inFeatures, outFeatures] of [
    [16, 1024, 3072],
    [128, 1024, 3072],
    [512, 1024, 3072],
    [512, 3072, 1024],
    [2048, 1024, 4096],
  ] as const) {
    for (const engine of openBlas === null ? (["own"] as const) : (["own", "blas"] as const)) {
      const call = product(rows, inFeatures, outFeatures, engine);
      const what = `linear ${rows} x ${inFeatures} x ${outFeatures}, ${engine}`;
      arithmetic.push(arithmeticRow(what, () => linear(call), 2 * rows * inFeatures * outFeatures));
    }
  }
  for (const rounding of ["once", "hf"] as const) {
    const tokens = 2048;
    const call = prefill(tokens, rounding);
    const what = `attention of ${tokens} tokens, 16/8 heads, ${rounding}`;
    arithmetic.push(arithmeticRow(what, () => attention(call), 2 * tokens * tokens * 16 * 128));
  }
  const tiny = product(1, 1, 1, "own");
  return {
    device: cpus()[0]?.model ?? "unknown",
    date: new Date().toISOString().slice(0, 10),
    isa: cpuIsa(),
    threads: threadCount(),
    openBlas,
    copyGBs: round(copyGBs, 1),
    callMicroseconds: round(median(() => repeat(() => linear(tiny), 1000)) / 1e6, 3),
    memory,
    arithmetic,
  };
}

function measureCopy(binding: BindingModule): number {
  const bytes = 256 * 2 ** 20;
  const [to, from] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes).fill(2)];
  return (2 * bytes) / median(() => binding.copyBytes(to, from));
}

function product(rows: number, inFeatures: number, outFeatures: number, engine: "own" | "blas"): LinearCall {
  const view = (length: number, rowStride: number) => ({
    data: values(length),
    dtype: "bf16" as const,
    offset: 0,
    rowStride,
  });
  return {
    ...{ rows, inFeatures, outFeatures, engine, bias: null },
    x: view(rows * inFeatures, inFeatures),
    weight: view(outFeatures * inFeatures, inFeatures),
    out: view(rows * outFeatures, outFeatures),
  };
}

function attentionCall(
  tokens: number,
  past: number,
  queryHeads: number,
  rounding: "once" | "hf",
): AttentionCall {
  const [kvHeads, headDim] = [8, 128];
  const view = (rows: number, heads: number) => ({
    ...{ data: values(rows * heads * headDim), offset: 0, tokenStride: heads * headDim, headStride: headDim },
  });
  return {
    ...{ dtype: "bf16", tokens, past, queryHeads, kvHeads, headDim, rounding, scale: headDim ** -0.5 },
    ...{ q: view(tokens, queryHeads), k: view(past + tokens, kvHeads), v: view(past + tokens, kvHeads) },
    out: view(tokens, queryHeads),
  };
}

function decode(keys: number, queryHeads: number, rounding: "once" | "hf"): AttentionCall {
  return attentionCall(1, keys - 1, queryHeads, rounding);
}

function prefill(tokens: number, rounding: "once" | "hf"): AttentionCall {
  return attentionCall(tokens, 0, 16, rounding);
}

function memoryRow(what: string, run: () => void, bytes: number, copyGBs: number): MemoryRow {
  const nanoseconds = median(run);
  const GBs = bytes / nanoseconds;
  const fractionOfCopy = round(GBs / copyGBs, 3);
  return { what, microseconds: round(nanoseconds / 1e3, 1), GBs: round(GBs, 1), fractionOfCopy };
}

function arithmeticRow(what: string, run: () => void, operations: number): ArithmeticRow {
  const nanoseconds = median(run);
  return { what, milliseconds: round(nanoseconds / 1e6, 2), GFLOPs: round(operations / nanoseconds, 1) };
}

// bf16 of about 0.5 to 2 of either sign.
function values(length: number): Uint16Array {
  return Uint16Array.from(
    { length },
    (_, i) => 0x3f00 + ((i * 2_654_435_761) % 256) + (i % 3 === 0 ? 0x8000 : 0),
  );
}

function repeat(run: () => void, times: number): void {
  for (let i = 0; i < times; i++) run();
}

/** Nanoseconds of one run: the median of as many as fit into half a second, nine at least. */
function median(run: () => void): number {
  const times: number[] = [];
  run(); // threads and pages wake up
  for (
    let total = 0;
    times.length < 9 || (total < 5e8 && times.length < 500);
    total += times.at(-1) as number
  ) {
    const start = process.hrtime.bigint();
    run();
    times.push(Number(process.hrtime.bigint() - start));
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const result = await benchLinear();
  mkdirSync(fileURLToPath(new URL("./results", import.meta.url)), { recursive: true });
  const file = fileURLToPath(new URL("./results/linear.json", import.meta.url));
  const openBlas = result.openBlas === null ? null : "found"; // where is this machine's own business
  writeFileSync(file, `${JSON.stringify({ ...result, openBlas }, null, 2)}\n`);
  const lines = [
    `bf16 on ${result.device}, ${result.isa}, ${result.threads} threads; copy ${result.copyGBs} GB/s; OpenBLAS: ${openBlas ?? "none"}`,
    `one call: ${result.callMicroseconds} us`,
    ...result.memory.map(
      (r) =>
        `${r.what.padEnd(52)} ${r.microseconds.toFixed(1).padStart(10)} us ${r.GBs.toFixed(1).padStart(7)} GB/s ` +
        `${(100 * r.fractionOfCopy).toFixed(0).padStart(4)} % of copy`,
    ),
    ...result.arithmetic.map(
      (r) =>
        `${r.what.padEnd(52)} ${r.milliseconds.toFixed(2).padStart(10)} ms ${r.GFLOPs.toFixed(1).padStart(7)} GFLOP/s`,
    ),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
