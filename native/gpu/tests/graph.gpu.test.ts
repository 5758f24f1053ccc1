import { afterEach, describe, expect, it } from "vitest";
import { CudaGraph, CudaKernel, CudaMemory, CudaStream, cudaUsage } from "../../src/index.ts";
import { expectNothingLive, failureOf, floats, missing, programs } from "./gpu.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const ones = (count: number) => new Float32Array(count).fill(1);

describe.skipIf(missing !== "")(`graphs on a GPU${missing}`, () => {
  it("queue nothing while they are captured, and everything at each replay", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 16);
    const scale = programs.scale();
    memory.upload(ones(4), stream);
    using graph = CudaGraph.capture(stream, () => {
      scale.launch([{ memory }, 4, 2], 1, 32).run(stream);
      scale.launch([{ memory }, 2, 3], 1, 32).run(stream);
      expect(stream.isCapturing()).toBe(true);
    });
    expect(stream.isCapturing()).toBe(false);
    expect([...floats(memory, stream)]).toEqual([1, 1, 1, 1]);
    graph.replay(stream);
    graph.replay(stream);
    expect([...floats(memory, stream)]).toEqual([36, 36, 4, 4]);
  });

  it("keep the memory and the kernel they use, freed by everyone else, to their own end", () => {
    using stream = new CudaStream(0);
    using outside = new CudaMemory(stream, 4096);
    const scale = programs.scale();
    const memory = new CudaMemory(stream, 4096);
    memory.upload(ones(1024), stream);
    const graph = CudaGraph.capture(stream, () => {
      scale.launch([{ memory }, 1024, 2], 4, 256).run(stream);
      using inside = new CudaMemory(stream, 4096);
      inside.copyFrom(memory, stream);
      scale.launch([{ memory: inside }, 1024, 10], 4, 256).run(stream);
      outside.copyFrom(inside, stream);
    });
    memory.free();
    scale.kernel.free();
    expect(cudaUsage(0).liveBytes).toBe(3 * 4096);
    // What the pool would hand out if the graph's memory had gone back to it.
    const others = Array.from({ length: 64 }, () => new CudaMemory(stream, 4096));
    for (const other of others) other.fill(0xff, stream);
    graph.replay(stream);
    graph.replay(stream);
    expect(floats(outside, stream).every((value) => value === 40)).toBe(true);
    for (const other of others) other.free();
    graph.free();
    expect(cudaUsage(0).liveBytes).toBe(4096);
  });

  it("take a second stream in that waits for the first, and let it go at the end", () => {
    using stream = new CudaStream(0);
    using other = new CudaStream(0);
    using a = new CudaMemory(stream, 4);
    using b = new CudaMemory(stream, 4);
    const scale = programs.scale();
    const hold = programs.hold();
    a.upload(ones(1), stream);
    b.upload(ones(1), stream);
    using graph = CudaGraph.capture(stream, () => {
      other.waitFor(stream);
      hold.launch([1e6], 1, 1).run(other);
      scale.launch([{ memory: b }, 1, 7], 1, 32).run(other);
      scale.launch([{ memory: a }, 1, 5], 1, 32).run(stream);
      stream.waitFor(other);
      a.copyFrom(b, stream);
    });
    expect(other.isCapturing()).toBe(false);
    graph.replay(other);
    expect([...floats(a, other), ...floats(b, other)]).toEqual([7, 7]);
  });

  it("refuse a branch that was not joined, and leave both streams usable", () => {
    using stream = new CudaStream(0);
    using other = new CudaStream(0);
    using memory = new CudaMemory(stream, 4);
    const scale = programs.scale();
    memory.upload(ones(1), stream);
    const failure = failureOf(() =>
      CudaGraph.capture(stream, () => {
        other.waitFor(stream);
        scale.launch([{ memory }, 1, 5], 1, 32).run(other);
      }),
    );
    expect(failure).toMatchObject({ code: "ERR_CUDA", status: "CUDA_ERROR_STREAM_CAPTURE_UNJOINED" });
    expect([stream.isCapturing(), other.isCapturing()]).toEqual([false, false]);
    scale.launch([{ memory }, 1, 3], 1, 32).run(stream);
    expect([...floats(memory, stream)]).toEqual([3]);
  });

  it("refuse during a capture what cannot be part of one, and go on", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 4);
    const scale = programs.scale();
    memory.upload(ones(1), stream);
    using graph = CudaGraph.capture(stream, () => {
      for (const attempt of [
        () => CudaGraph.capture(stream, () => {}),
        () => memory.upload(new Uint8Array(1), stream),
        () => memory.download(new Uint8Array(1), stream),
        () => stream.synchronize(),
        () => stream.isDone(),
        () => stream.free(),
        () => new CudaKernel(0, new TextEncoder().encode(".version 8.0"), "scale", { argumentBytes: 16 }),
      ]) {
        const { code, message } = failureOf(attempt);
        expect(code, message).toBe("ERR_QKNORM_SCOPE");
      }
      scale.launch([{ memory }, 1, 4], 1, 32).run(stream);
    });
    graph.replay(stream);
    expect([...floats(memory, stream)]).toEqual([4]);
  });

  it("leave no capture on after an exception, which is thrown on", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 4);
    const scale = programs.scale();
    memory.upload(ones(1), stream);
    const capture = () =>
      CudaGraph.capture(stream, () => {
        scale.launch([{ memory }, 1, 9], 1, 32).run(stream);
        throw new Error("boom");
      });
    for (let i = 0; i < 3; i++) expect(capture).toThrow("boom");
    expect(stream.isCapturing()).toBe(false);
    expect([...floats(memory, stream)]).toEqual([1]);
  });

  it("hold back a kernel whose predecessor lets it start early and then sleeps", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 4096);
    using source = new CudaMemory(stream, 4096);
    const scale = programs.scale();
    const producer = programs.lateProducer();
    expect(scale.kernel.info.launchesEarly).toBe(true);
    source.upload(new Float32Array(1024).fill(2), stream);
    memory.upload(new Float32Array(1024), stream);
    using graph = CudaGraph.capture(stream, () => {
      for (let i = 0; i < 20; i++) {
        producer.launch([{ memory }, { memory: source }, 1024, 20], 4, 256).run(stream);
        scale.launch([{ memory }, 1024, 3], 4, 256).run(stream);
      }
    });
    graph.replay(stream);
    expect(floats(memory, stream).every((value) => value === 6)).toBe(true);
  });

  it("count up exactly over ten thousand replays", () => {
    using stream = new CudaStream(0);
    using x = new CudaMemory(stream, 4096);
    using pristine = new CudaMemory(stream, 4096);
    using expected = new CudaMemory(stream, 4096);
    using counts = new CudaMemory(stream, 8);
    pristine.upload(new Float32Array(1024).fill(3), stream);
    expected.upload(new Float32Array(1024).fill(12), stream);
    counts.fill(0, stream);
    const scale = programs.scale();
    const compare = programs.countDifferences();
    using graph = CudaGraph.capture(stream, () => {
      x.copyFrom(pristine, stream);
      scale.launch([{ memory: x }, 1024, 4], 4, 256).run(stream);
      const values = [{ memory: x }, 1024, { memory: expected }, 1024, { memory: counts }];
      compare.launch(values, 4, 256).run(stream);
    });
    for (let i = 0; i < 10_000; i++) graph.replay(stream);
    const got = new Uint32Array(2);
    counts.download(got, stream);
    expect([...got]).toEqual([0, 10_000]);
  });
});
