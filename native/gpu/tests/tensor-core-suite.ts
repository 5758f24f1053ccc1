// What tensor_core.cuh promises of fragments, on a GPU and on the stand-in device.
import { expect, it } from "vitest";
import { CudaMemory, CudaStream, type Jit } from "../../src/index.ts";
import { Program, programSource } from "../program.ts";

const source = programSource(new URL("./tensor_core.cu", import.meta.url), ["tensor_core.cuh"]);

export function tensorCoreSuite(jit: Jit): void {
  it.each([
    ["bf16", 1],
    ["f16", 2],
  ] as const)("a warp multiplies matrices of %s, whose fragments lie as they are told to", (_, dtype) => {
    const program = new Program(jit, source, "tensor_core", ["address", "address", "address"], {
      macros: { QK_DTYPE: dtype },
    });
    // Small integers: every product and sum is exact, and no two rows or columns are alike.
    const a = Array.from({ length: 256 }, (_, i) => ((i * 7) % 31) - 15);
    const b = Array.from({ length: 128 }, (_, i) => ((i * 11) % 29) - 14);
    const expected = Array.from({ length: 128 }, (_, i) => {
      const [row, column] = [Math.floor(i / 8), i % 8];
      return a.slice(16 * row, 16 * row + 16).reduce((sum, x, k) => sum + x * b[8 * k + column]!, 0);
    });
    using stream = new CudaStream(0);
    using there = new CudaMemory(stream, 512);
    using beside = new CudaMemory(stream, 256);
    using result = new CudaMemory(stream, 512);
    there.upload(Uint16Array.from(a, bits[dtype]), stream);
    beside.upload(Uint16Array.from(b, bits[dtype]), stream);
    program.launch([{ memory: there }, { memory: beside }, { memory: result }], 1, 32).run(stream);
    const got = new Float32Array(128);
    result.download(got, stream);
    expect([...got]).toEqual(expected);
  });
}

/** Small integers as bits of a format, by its number. */
const bits = {
  1: (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]! >>> 16,
  2: (x: number): number => {
    if (x === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(x)));
    return (x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | ((Math.abs(x) / 2 ** exponent - 1) * 1024);
  },
} as const;
