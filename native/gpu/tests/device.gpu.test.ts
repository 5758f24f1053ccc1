import { afterEach, describe, expect, it } from "vitest";
import {
  CudaEvent,
  CudaMemory,
  CudaStream,
  cudaDevice,
  cudaUsage,
  openCuda,
  setCudaBudget,
} from "../../src/index.ts";
import { devices, expectNothingLive, failureOf, floats, milliseconds, missing, programs } from "./gpu.ts";

const MiB = 2 ** 20;

afterEach(() => {
  if (missing !== "") return;
  setCudaBudget(0, 0);
  expectNothingLive();
});

describe.skipIf(missing !== "")(`the device layer on a GPU${missing}`, () => {
  it("says what it stands on", () => {
    const { path, version, tried } = openCuda();
    const device = cudaDevice(0);
    expect(device.arch).toMatch(/^sm_\d+$/);
    expect(device.bytes).toBeGreaterThan(2 ** 30);
    expect(device.multiprocessors).toBeGreaterThan(0);
    expect(cudaUsage(0).freeBytes).toBeGreaterThan(2 ** 28);
    process.stdout.write(
      `  ${JSON.stringify({ path, version, devices, passedOver: tried.length, device })}\n`,
    );
  });

  it.each([
    ["a byte", 1, 0],
    ["a few bytes at an odd place", 7, 3],
    ["exactly one staging buffer", 4 * MiB, 0],
    ["one byte more than a buffer, at an odd place", 4 * MiB + 1, 1],
    ["many buffers and a bit, at an odd place", 33 * MiB + 13, 5],
  ])("brings back what it took: %s", (_, bytes, offset) => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, bytes + offset + 9);
    memory.fill(0xa5, stream);
    const sent = randomBytes(bytes);
    const kept = sent.slice();
    memory.upload(sent, stream, offset);
    sent.fill(0); // the copy was taken at once
    const whole = new Uint8Array(memory.bytes);
    memory.download(whole, stream);
    expect(Buffer.compare(whole.subarray(offset, offset + bytes), kept)).toBe(0);
    const around = [...whole.subarray(0, offset), ...whole.subarray(offset + bytes)];
    expect(around.every((byte) => byte === 0xa5)).toBe(true);
  });

  it("takes element types of every size, and views into larger buffers", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 64);
    const wide = new Float64Array([0, 1.5, -2.25, 3e300, 0]);
    memory.upload(wide.subarray(1, 4), stream, 8);
    const got = new Float64Array(5);
    memory.download(got.subarray(1, 4), stream, 8);
    expect([...got]).toEqual([...wide]);
  });

  it("copies on the device, in order behind the upload and before the download", () => {
    using stream = new CudaStream(0);
    using a = new CudaMemory(stream, 20 * MiB);
    using b = new CudaMemory(stream, 20 * MiB);
    const sent = randomBytes(20 * MiB);
    a.upload(sent, stream);
    b.fill(0, stream);
    b.copyFrom(a, stream, { offset: 3, fromOffset: 1, bytes: 17 * MiB + 1 });
    const got = new Uint8Array(20 * MiB);
    b.download(got, stream);
    expect(got.subarray(0, 3).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.compare(got.subarray(3, 17 * MiB + 4), sent.subarray(1, 17 * MiB + 2))).toBe(0);
    expect(got.subarray(17 * MiB + 4).every((byte) => byte === 0)).toBe(true);
  });

  it("runs a kernel behind what its stream waits for, and not before", () => {
    using first = new CudaStream(0);
    using second = new CudaStream(0);
    using memory = new CudaMemory(first, 4);
    const scale = programs.scale();
    const hold = programs.hold();
    scale.launch([{ memory }, 0, 2], 1, 32).run(second); // the first launch of a kernel may wait for the device
    memory.upload(Float32Array.of(3), first);
    hold.launch([50e6], 1, 1).run(first);
    memory.upload(Float32Array.of(5), first);
    second.waitFor(first);
    scale.launch([{ memory }, 1, 2], 1, 32).run(second);
    expect(second.isDone()).toBe(false);
    expect([...floats(memory, second)]).toEqual([10]);
    expect(first.isDone()).toBe(true);
  });

  it("frees memory behind the other stream that still uses it", () => {
    using home = new CudaStream(0);
    using other = new CudaStream(0);
    const hold = programs.hold();
    const scale = programs.scale();
    using kept = new CudaMemory(home, 4 * MiB);
    home.synchronize();
    const memory = new CudaMemory(home, 4 * MiB);
    memory.upload(new Float32Array(MiB).fill(1), home);
    other.waitFor(home);
    hold.launch([20e6], 1, 1).run(other);
    scale.launch([{ memory }, MiB, 3], MiB / 256, 256).run(other);
    kept.copyFrom(memory, other);
    memory.free();
    using next = new CudaMemory(home, 4 * MiB); // the pool may give out the same addresses
    next.fill(0, home);
    expect(floats(kept, other).every((value) => value === 3)).toBe(true);
  });

  it("times what lies between two events", () => {
    using stream = new CudaStream(0);
    using start = new CudaEvent(0, { timed: true });
    using end = new CudaEvent(0, { timed: true });
    const hold = programs.hold();
    start.record(stream);
    hold.launch([5e6], 1, 1).run(stream);
    end.record(stream);
    expect(end.isDone()).toBe(false);
    expect(failureOf(() => end.since(start)).code).toBe("ERR_CUDA");
    end.synchronize();
    expect(end.since(start)).toBeGreaterThan(4.9);
    expect(end.since(start)).toBeLessThan(50);
    using untimed = new CudaEvent(0);
    untimed.record(stream);
    untimed.synchronize();
    expect(failureOf(() => untimed.since(start)).code).toBe("ERR_CUDA");
  });

  it("keeps to the budget, counts what is live, and gives all of it back", () => {
    using stream = new CudaStream(0);
    setCudaBudget(0, 100 * MiB);
    using memory = new CudaMemory(stream, 80 * MiB);
    expect(cudaUsage(0)).toMatchObject({ liveBytes: 80 * MiB, budget: 100 * MiB });
    expect(failureOf(() => new CudaMemory(stream, 21 * MiB))).toMatchObject({ code: "ERR_CUDA" });
    new CudaMemory(stream, 20 * MiB).free();
    expect(memory.bytes).toBe(80 * MiB);
  });

  it("says what does not fit, and goes on working", () => {
    using stream = new CudaStream(0);
    const before = cudaUsage(0).freeBytes;
    expect(failureOf(() => new CudaMemory(stream, 2 * cudaDevice(0).bytes))).toMatchObject({
      code: "ERR_CUDA",
      api: "cuMemAllocAsync",
      status: "CUDA_ERROR_OUT_OF_MEMORY",
    });
    expect(cudaUsage(0).freeBytes).toBeGreaterThan(0.95 * before); // what the attempt got is not kept
    using half = new CudaMemory(stream, Math.floor(0.6 * before));
    expect(failureOf(() => new CudaMemory(stream, half.bytes)).status).toBe("CUDA_ERROR_OUT_OF_MEMORY");
    half.fill(1, stream);
    const got = new Uint8Array(3);
    half.download(got, stream, half.bytes - 3);
    expect([...got]).toEqual([1, 1, 1]);
  });

  it("takes pooled memory again without asking the driver for more", () => {
    using stream = new CudaStream(0);
    new CudaMemory(stream, 64 * MiB).free();
    stream.synchronize();
    const spent = milliseconds(() => {
      for (let i = 0; i < 1000; i++) new CudaMemory(stream, 64 * MiB).free();
    });
    stream.synchronize();
    process.stdout.write(`  allocate and free: ${((1000 * spent) / 1000).toFixed(2)} us\n`);
    expect(spent).toBeLessThan(1000);
  });

  it("refuses a range outside, memory that was freed, and an ordinal that is not there", () => {
    using stream = new CudaStream(0);
    const memory = new CudaMemory(stream, 16);
    const scale = programs.scale();
    expect(failureOf(() => memory.upload(new Uint8Array(9), stream, 8)).code).toBe("ERR_QKNORM_LAYOUT");
    expect(failureOf(() => scale.launch([{ memory, bytes: 17 }, 4, 2], 1, 32).run(stream)).code).toBe(
      "ERR_QKNORM_LAYOUT",
    );
    const launch = scale.launch([{ memory }, 4, 2], 1, 32);
    memory.free();
    expect(failureOf(() => launch.run(stream)).code).toBe("ERR_QKNORM_ARGUMENT");
    expect(failureOf(() => cudaDevice(devices)).code).toBe("ERR_QKNORM_DEVICE");
  });
});

describe.skipIf(devices < 2)(
  `two devices in one process${devices < 2 ? ` (skipped: ${devices} here)` : ""}`,
  () => {
    it("each run their own kernels on their own memory, and refuse the other's", () => {
      using streams = { a: new CudaStream(0), b: new CudaStream(1), [Symbol.dispose]: () => {} };
      const { a, b } = streams;
      using onA = new CudaMemory(a, 1024);
      using onB = new CudaMemory(b, 1024);
      onA.upload(new Float32Array(256).fill(1), a);
      onB.upload(new Float32Array(256).fill(2), b);
      for (let i = 0; i < 5; i++) {
        programs
          .scale(0)
          .launch([{ memory: onA }, 256, 3], 1, 256)
          .run(a);
        programs
          .scale(1)
          .launch([{ memory: onB }, 256, 5], 1, 256)
          .run(b);
      }
      expect([floats(onA, a)[255], floats(onB, b)[255]]).toEqual([243, 6250]);
      expect(failureOf(() => onA.fill(0, b)).code).toBe("ERR_QKNORM_DEVICE");
      expect(
        failureOf(() =>
          programs
            .scale(0)
            .launch([{ memory: onB }, 4, 2], 1, 32)
            .run(a),
        ).code,
      ).toBe("ERR_QKNORM_DEVICE");
      a.free();
      b.free();
    });
  },
);

function randomBytes(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 0x9e3779b9 ^ length;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}
