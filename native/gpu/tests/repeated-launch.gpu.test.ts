import { afterEach, describe, expect, it } from "vitest";
import { CudaMemory, CudaStream } from "../../src/index.ts";
import { expectNothingLive, floats, missing, programs } from "./gpu.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const words = 1024;

function filled(stream: CudaStream, value: number): CudaMemory {
  const memory = new CudaMemory(stream, 4 * words);
  memory.upload(new Float32Array(words).fill(value), stream);
  return memory;
}

const all = (memory: CudaMemory, stream: CudaStream) => [...new Set(floats(memory, stream))];

// From its third start on a small launch goes by a graph of its own, and by itself while the device is far behind.
describe.skipIf(missing !== "")(`launches that are started again and again, on a GPU${missing}`, () => {
  it("run in the stream's order, whichever way each goes", () => {
    using stream = new CudaStream(0);
    using a = filled(stream, 0);
    using b = filled(stream, 1);
    const scale = programs.scale();
    const doubled = scale.launch([{ memory: a }, words, 2], 4, 256);
    const halved = scale.launch([{ memory: b }, words, 0.5], 4, 256);
    const hold = programs.hold().launch([3e6], 1, 1);
    for (let i = 0; i < 2000; i++) {
      if (i % 500 === 250) hold.run(stream); // the host runs ahead from here
      if (i % 500 === 0) stream.synchronize();
      a.copyFrom(b, stream);
      doubled.run(stream);
      b.copyFrom(a, stream);
      halved.run(stream);
    }
    expect([all(a, stream), all(b, stream)]).toEqual([[2], [1]]);
  });

  it("wait for a kernel before them that lets its successor start early and writes late", () => {
    using stream = new CudaStream(0);
    using source = filled(stream, 3);
    using x = filled(stream, 0);
    const produce = programs.lateProducer().launch([{ memory: x }, { memory: source }, words, 20], 4, 256);
    const scale = programs.scale().launch([{ memory: x }, words, 2], 4, 256);
    for (let i = 0; i < 50; i++) {
      produce.run(stream);
      scale.run(stream);
      scale.run(stream);
      expect(all(x, stream)).toEqual([12]);
    }
  });

  it("take other memory, factors and grids from one start to the next", () => {
    using stream = new CudaStream(0);
    using a = filled(stream, 1);
    using b = filled(stream, 1);
    const launch = programs.scale().launch([{ memory: a }, words, 2], 4, 256);
    const arguments_ = new DataView(launch.bytes.buffer);
    for (let i = 0; i < 120; i++) {
      arguments_.setFloat32(12, i % 4 < 2 ? 2 : 0.5, true);
      launch.address(0, 0, i % 2 === 0 ? a : b, 0, 4 * words);
      launch.geometry(i % 3 === 0 ? 8 : 4, i % 3 === 0 ? 128 : 256).run(stream);
      if (i === 80) expect([all(a, stream), all(b, stream)]).toEqual([[2], [1]]);
    }
    expect([all(a, stream), all(b, stream)]).toEqual([[1], [1]]);
  });
});
