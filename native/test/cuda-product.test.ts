import { describe, expect, it } from "vitest";
import {
  CudaGraph,
  CudaMemory,
  CudaProduct,
  CudaStream,
  cudaUsage,
  type ProductShape,
} from "../src/index.ts";
import { expectCleanDriver, floats } from "./cuda-case.ts";
import { failureOf, inProcess, missing, notes, scripted } from "./cuda-fake.ts";

expectCleanDriver();

const shape: ProductShape = {
  ...{ dtype: "f32", rows: 2, outputs: 2, inputs: 3 },
  ...{ xStride: 3, weightStride: 3, outStride: 2, addedStride: null, bias: false, alignment: 16 },
};

/** x [2, 3], a weight [2, 3] and out [2, 2], and ways to name all of them. */
function scene(stream: CudaStream) {
  const made = [
    Float32Array.of(1, 2, 3, 4, 5, 6),
    Float32Array.of(1, 0, 1, 0, 1, 0),
    new Float32Array(4),
  ].map((values) => {
    const memory = new CudaMemory(stream, 4 * values.length);
    memory.upload(values, stream);
    return memory;
  }) as [CudaMemory, CudaMemory, CudaMemory];
  const [x, weight, out] = made.map((memory) => ({ memory, offset: 0, length: memory.bytes }));
  return {
    operands: { x: x!, weight: weight!, out: out! },
    out: made[2],
    free() {
      for (const one of made) one.free();
    },
  };
}

describe.skipIf(missing !== "")(`products of cuBLASLt, on a stand-in driver${missing}`, () => {
  it("multiply, add a bias and what they are given, and are rounded once", () => {
    using stream = new CudaStream(0);
    const { operands, out, free } = scene(stream);
    using plain = new CudaProduct(0, shape);
    plain.run(stream, operands);
    expect(floats(out, stream)).toEqual([4, 2, 10, 5]);
    using whole = new CudaProduct(0, { ...shape, bias: true, addedStride: 2 });
    using bias = new CudaMemory(stream, 8);
    bias.upload(Float32Array.of(100, 200), stream);
    whole.run(stream, { ...operands, bias: { memory: bias, offset: 0, length: 8 }, added: operands.out });
    expect(floats(out, stream)).toEqual([108, 204, 120, 210]);
    free();
  });

  it("share scratch memory on one stream, which counts as nobody's, and goes with the stream", () => {
    const stream = new CudaStream(0);
    const { operands, free } = scene(stream);
    scripted({ workspace: 1000 });
    using first = new CudaProduct(0, shape);
    using second = new CudaProduct(0, { ...shape, outStride: 2, alignment: 4 });
    const before = cudaUsage(0).liveBytes;
    first.run(stream, operands);
    second.run(stream, operands);
    expect(cudaUsage(0).liveBytes).toBe(before);
    free();
    notes();
    stream.free();
    expect(notes().filter((note) => note.startsWith("free 33554432"))).toHaveLength(1);
  });

  it("are recorded with scratch memory of the graph's own", () => {
    using stream = new CudaStream(0);
    const { operands, out, free } = scene(stream);
    scripted({ workspace: 1000 });
    using product = new CudaProduct(0, shape);
    const graph = CudaGraph.capture(stream, () => {
      product.run(stream, operands);
      product.run(stream, operands);
    });
    expect(floats(out, stream)).toEqual([0, 0, 0, 0]);
    graph.replay(stream);
    expect(floats(out, stream)).toEqual([4, 2, 10, 5]);
    notes();
    graph.free();
    expect(notes().filter((note) => note.startsWith("free 33554432"))).toHaveLength(1);
    free();
  });

  it("are planned during a capture where the library can, and refused in words where it cannot", () => {
    using stream = new CudaStream(0);
    CudaGraph.capture(stream, () => {
      using planned = new CudaProduct(0, shape);
      expect(planned.handle).toBeGreaterThan(0);
      scripted({ cublasLtMatmulAlgoGetHeuristic: 15 });
      const { code, message } = failureOf(() => new CudaProduct(0, shape));
      expect(code).toBe("ERR_QKNORM_SCOPE");
      expect(message).toContain("cannot be planned while a graph is captured, run it once before");
      scripted();
    }).free();
  });

  it("say what failed: a shape without a way, a range that is short, another device, memory that was freed", () => {
    using stream = new CudaStream(0);
    using elsewhere = new CudaStream(1);
    const { operands, free } = scene(stream);
    scripted({ ways: 0 });
    expect(failureOf(() => new CudaProduct(0, shape)).message).toBe(
      "cuBLASLt has no way for a product of 2 x 3 by 2",
    );
    scripted({ cublasLtMatmulAlgoGetHeuristic: 15 });
    expect(failureOf(() => new CudaProduct(0, shape))).toMatchObject({
      ...{ code: "ERR_CUDA", api: "cublasLtMatmulAlgoGetHeuristic", status: "CUBLAS_STATUS_NOT_SUPPORTED" },
    });
    scripted();
    using product = new CudaProduct(0, shape);
    const short = { ...operands, x: { ...operands.x, length: 20 } };
    expect(failureOf(() => product.run(stream, short))).toMatchObject({ code: "ERR_QKNORM_LAYOUT" });
    const outside = { ...operands, x: { ...operands.x, offset: 8 } };
    expect(failureOf(() => product.run(stream, outside))).toMatchObject({ code: "ERR_QKNORM_LAYOUT" });
    expect(failureOf(() => product.run(elsewhere, operands))).toMatchObject({ code: "ERR_QKNORM_DEVICE" });
    for (const broken of [{ rows: 0 }, { inputs: 1.5 }, { xStride: 2 }, { alignment: 512 }]) {
      expect(failureOf(() => new CudaProduct(0, { ...shape, ...broken })).code).toBe("ERR_QKNORM_ARGUMENT");
    }
    free();
    expect(failureOf(() => product.run(stream, operands))).toMatchObject({ code: "ERR_QKNORM_ARGUMENT" });
  });

  it("name every path that was tried where there is no library, and one that is too old or too new", () => {
    const plan = `(native, attempt) => attempt(() => new native.CudaProduct(0, ${JSON.stringify(shape)}))`;
    const env = { QKNORM_LIBCUDA: process.env.QKNORM_LIBCUDA as string };
    expect(inProcess({ ...env, QKNORM_LIBCUBLASLT: "/nowhere/libcublasLt.so" }, plan)).toMatchObject({
      ...{ code: "ERR_CUDA", tried: [{ path: "/nowhere/libcublasLt.so" }] },
    });
    expect(inProcess({ ...env, QKNORM_LIBCUBLASLT: "off" }, plan)).toMatchObject({
      message: expect.stringContaining("QKNORM_LIBCUBLASLT=off"),
    });
    const library = { ...env, QKNORM_LIBCUBLASLT: process.env.QKNORM_LIBCUBLASLT as string };
    scripted({ cublasLt: 111100 });
    expect(inProcess(library, plan)).toMatchObject({ message: expect.stringContaining("it is of CUDA 11") });
    scripted({ cublasLt: 130000 });
    expect(inProcess(library, plan)).toMatchObject({
      message: expect.stringContaining("nothing later than 12"),
    });
  });
});
