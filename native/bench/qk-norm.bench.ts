// How fast QK norm runs on this CPU, as a share of what copying the same bytes costs: it reads and writes each
// element once, so a copy by the same threads is the floor. Run it with `npm run bench`.

import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import type { FloatDtype } from "@qknorm/core";
import type { BindingModule } from "../src/binding.ts";
import {
  availableIsas,
  type CpuIsa,
  cpuIsa,
  loadBinding,
  type NativeArray,
  type NormSide,
  type QkNormCall,
  qkNorm,
  threadCount,
} from "../src/index.ts";

const HEADS = { q: 32, k: 8 } as const;

interface Case {
  readonly dtype: FloatDtype;
  readonly headDim: number;
  readonly tokens: number;
  readonly layout: "contiguous" | "packed";
  readonly rounding: "once" | "hf";
  readonly isa: CpuIsa;
}

/** One measured case, medians unless it says otherwise; bytes count what is read and what is written. */
export interface QkNormRow extends Case {
  readonly microseconds: number;
  readonly GBs: number;
  /** Copying as many bytes, in the same run, between the same calls. */
  readonly copyGBs: number;
  readonly fractionOfCopy: number;
  /** The fastest call and the fastest copy: what a machine with nothing else to do would show. */
  readonly best: { readonly GBs: number; readonly copyGBs: number };
}

export interface QkNormBenchResult {
  readonly device: string;
  readonly date: string;
  readonly isa: CpuIsa;
  readonly threads: number;
  /** Processes that wanted a processor in the minute before, this one aside: numbers taken beside others are low. */
  readonly load: number;
  /** The copy of the headline case: bf16, head dim 128, 4,096 tokens. */
  readonly copyGBs: number;
  readonly heads: typeof HEADS;
  readonly rows: readonly QkNormRow[];
}

/** Measures every case; about half a minute. Throws `ERR_NATIVE` without the addon. */
export async function benchQkNorm(): Promise<QkNormBenchResult> {
  const isa = cpuIsa();
  const load = round(loadavg()[0] as number, 1);
  const binding = loadBinding().binding as BindingModule;
  const rows: QkNormRow[] = [];
  for (const one of cases(isa)) {
    rows.push(measure(binding, one));
    await new Promise(setImmediate); // let memory of the case before go
  }
  const headline = rows[0] as QkNormRow;
  return {
    device: cpus()[0]?.model ?? "unknown",
    date: new Date().toISOString().slice(0, 10),
    isa,
    threads: threadCount(),
    load,
    copyGBs: headline.copyGBs,
    heads: HEADS,
    rows,
  };
}

function cases(isa: CpuIsa): Case[] {
  const list: Case[] = [];
  const plain = {
    dtype: "bf16",
    headDim: 128,
    tokens: 4096,
    layout: "contiguous",
    rounding: "once",
    isa,
  } as const;
  list.push(plain, { ...plain, rounding: "hf" }, { ...plain, layout: "packed" });
  for (const tokens of [1, 4, 16, 64, 256, 1024]) {
    list.push({ ...plain, tokens }, { ...plain, tokens, layout: "packed" });
  }
  for (const dtype of ["bf16", "f16", "f32"] as const) {
    for (const headDim of [64, 128, 256]) {
      for (const rounding of ["once", "hf"] as const) {
        if (dtype !== "bf16" || headDim !== 128) list.push({ ...plain, dtype, headDim, rounding });
      }
    }
  }
  for (const other of availableIsas()) {
    if (other === isa) continue;
    for (const dtype of ["bf16", "f16", "f32"] as const) {
      for (const rounding of ["once", "hf"] as const) list.push({ ...plain, dtype, rounding, isa: other });
    }
  }
  return list;
}

function measure(binding: BindingModule, one: Case): QkNormRow {
  const { dtype, headDim, tokens, layout } = one;
  const bytesPer = dtype === "f32" ? 4 : 2;
  const used = HEADS.q + HEADS.k;
  const tokenHeads = layout === "packed" ? used + HEADS.k : used;
  const length = tokens * tokenHeads * headDim;
  // Small calls run on many copies of the data, so that each sees fresh values and the clock sees many of them.
  const copies = Math.min(Math.max(Math.floor(2 ** 20 / (length * bytesPer)), 1), 256);
  const pristine = randomBits(dtype, length);
  const targets = Array.from({ length: copies }, () => pristine.slice());
  const calls = targets.map((target) => callOn(one, target));
  const bytes = (array: NativeArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const source = bytes(pristine);
  const destinations = targets.map(bytes);

  const norm: number[] = [];
  const copy: number[] = [];
  const repeats = Math.min(Math.max(Math.round(3e8 / (length * bytesPer * copies)), 31), 101);
  for (let i = 0; i < repeats + 2; i++) {
    const start = process.hrtime.bigint();
    for (const destination of destinations) binding.copyBytes(destination, source);
    const middle = process.hrtime.bigint();
    for (const call of calls) qkNorm(call);
    const end = process.hrtime.bigint();
    if (i < 2) continue; // threads and pages wake up
    copy.push(Number(middle - start) / copies);
    norm.push(Number(end - middle) / copies);
  }
  const nanoseconds = median(norm);
  const normBytes = 2 * tokens * used * headDim * bytesPer;
  const copyBytes = 2 * length * bytesPer;
  const GBs = normBytes / nanoseconds;
  const copyGBs = copyBytes / median(copy);
  return {
    ...one,
    microseconds: round(nanoseconds / 1e3, 2),
    GBs: round(GBs, 2),
    copyGBs: round(copyGBs, 2),
    fractionOfCopy: round(GBs / copyGBs, 3),
    best: {
      GBs: round(normBytes / Math.min(...norm), 2),
      copyGBs: round(copyBytes / Math.min(...copy), 2),
    },
  };
}

function callOn(one: Case, array: NativeArray): QkNormCall {
  const { dtype, headDim, tokens, layout, rounding, isa } = one;
  const packed = layout === "packed";
  const tokenStride = (HEADS.q + 2 * HEADS.k) * headDim;
  const weight = randomBits(dtype, headDim);
  const side = (heads: number, packedOffset: number, contiguousOffset: number): NormSide => {
    const offset = packed ? packedOffset : contiguousOffset;
    const stride = packed ? tokenStride : heads * headDim;
    return {
      input: array,
      inputOffset: offset,
      inputTokenStride: stride,
      inputHeadStride: headDim,
      output: array,
      outputOffset: offset,
      outputTokenStride: stride,
      outputHeadStride: headDim,
      heads,
      weight,
      weightDtype: dtype,
      weightHeadStride: 0,
      bias: null,
      biasDtype: dtype,
      biasHeadStride: 0,
      eps: 1e-6,
      kind: "rms",
      weightOffset: 0,
      rounding,
    };
  };
  const sides = [side(HEADS.q, 0, 0), side(HEADS.k, HEADS.q * headDim, tokens * HEADS.q * headDim)] as const;
  return { dtype, headDim, tokens, isa, sides };
}

// Values of about 0.5 to 2 of either sign, with random low bits.
function randomBits(dtype: FloatDtype, length: number): NativeArray {
  let state = 0x9e3779b9;
  const float = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    float[i] = (state / 2 ** 31) * 2;
  }
  if (dtype === "f32") return float;
  const bits = new Uint32Array(float.buffer);
  const f16 = (b: number) =>
    ((b >>> 16) & 0x8000) | (Math.max(((b & 0x7fffffff) >>> 13) - 0x1c000, 0) & 0x7fff);
  return Uint16Array.from(bits, dtype === "bf16" ? (b) => b >>> 16 : f16);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const result = await benchQkNorm();
  const file = fileURLToPath(new URL("./results/cpu.json", import.meta.url));
  mkdirSync(fileURLToPath(new URL("./results", import.meta.url)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  const { device, threads, load, rows } = result;
  const lines = rows.map(
    (r) =>
      `${r.isa.padEnd(7)} ${r.dtype.padEnd(5)} D ${String(r.headDim).padEnd(4)} T ${String(r.tokens).padEnd(5)} ` +
      `${r.layout.padEnd(11)} ${r.rounding.padEnd(5)} ${r.microseconds.toFixed(2).padStart(10)} us ` +
      `${r.GBs.toFixed(1).padStart(6)} GB/s  ${(100 * r.fractionOfCopy).toFixed(0).padStart(4)} % of copy (${r.copyGBs.toFixed(1)})  best ${r.best.GBs.toFixed(1)} (${r.best.copyGBs.toFixed(1)})`,
  );
  process.stdout.write(
    `QK norm on ${device}, ${threads} threads, load ${load}, ${HEADS.q}/${HEADS.k} heads, in place\n${lines.join("\n")}\n`,
  );
}
