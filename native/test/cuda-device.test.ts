import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  CudaEvent,
  CudaMemory,
  CudaStream,
  cudaDevice,
  cudaUsage,
  openCuda,
  setCudaBudget,
} from "../src/index.ts";
import { requireBinding } from "../src/loader.ts";
import { expectCleanDriver } from "./cuda-case.ts";
import { failureOf, fakeLibrary, folder, missing, notes, scripted } from "./cuda-fake.ts";

const MiB = 2 ** 20;

expectCleanDriver();
afterEach(() => {
  if (missing === "") setCudaBudget(0, 0);
});

describe.skipIf(missing !== "")(`the device layer, on a stand-in driver${missing}`, () => {
  it("opens the library that QKNORM_LIBCUDA names, and says what it found", () => {
    expect(openCuda()).toEqual({ path: fakeLibrary, version: "12.4", devices: 2, tried: [] });
  });

  it("describes a device, and retains its context once, after a failure too", () => {
    scripted({ cuDevicePrimaryCtxRetain: 2 });
    expect(failureOf(() => cudaDevice(1))).toMatchObject({
      code: "ERR_CUDA",
      api: "cuDevicePrimaryCtxRetain",
    });
    scripted({ pools: 0 });
    expect(cudaDevice(1)).toMatchObject({ ordinal: 1, name: "Fake 1", arch: "sm_90", multiprocessors: 132 });
    cudaDevice(1);
    expect(notes().filter((note) => note.startsWith("retain"))).toEqual(["retain 1"]);
  });

  it("has no memory on a device without pools, and says so", () => {
    using stream = new CudaStream(1);
    expect(failureOf(() => new CudaMemory(stream, 8))).toMatchObject({
      code: "ERR_CUDA",
      message: "Fake 1 has no stream-ordered memory (memory pools)",
    });
  });

  it("refuses an ordinal that is not there", () => {
    expect(failureOf(() => cudaDevice(2))).toMatchObject({
      code: "ERR_QKNORM_DEVICE",
      message: "there is no cuda:2; the driver shows 2 devices",
    });
    for (const bad of [-1, 0.5, Number.NaN]) {
      expect(failureOf(() => cudaDevice(bad)).code).toBe("ERR_QKNORM_ARGUMENT");
    }
  });

  it("copies through pinned buffers, longer than they are, at any offset", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 13 * MiB);
    const sent = Uint32Array.from({ length: (9 * MiB) / 4 + 1 }, (_, i) => i * 2654435761);
    memory.upload(sent, stream, 3);
    sent[0] = 7; // the copy was taken at once
    const got = new Uint32Array(sent.length);
    memory.download(got, stream, 3);
    expect(got[0]).toBe(0);
    sent[0] = 0;
    expect(Buffer.compare(Buffer.from(got.buffer), Buffer.from(sent.buffer))).toBe(0);
  });

  it("copies from a file, through buffers that are in use, as far as the file goes", () => {
    const path = join(folder, "weights");
    const sent = new Uint32Array(9 * 2 ** 18).map((_, i) => (i * 2654435761) >>> 0); // 9 MiB: three buffers' worth
    writeFileSync(path, sent);
    const descriptor = openSync(path, "r");
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, sent.byteLength);
    const bytes = sent.byteLength - 6;
    expect(memory.uploadFile({ descriptor, position: 6, bytes }, stream, 3)).toBe(bytes);
    const got = new Uint8Array(bytes);
    memory.download(got, stream, 3);
    expect(Buffer.compare(Buffer.from(sent.buffer, 6), got)).toBe(0);
    expect(memory.uploadFile({ descriptor, position: 10, bytes: sent.byteLength }, stream)).toBe(
      sent.byteLength - 10,
    );
    expect(memory.uploadFile({ descriptor, position: 2 ** 40, bytes: 5 }, stream)).toBe(0);
    closeSync(descriptor);
    expect(
      failureOf(() => memory.uploadFile({ descriptor: 2 ** 20, position: 0, bytes: 1 }, stream)),
    ).toMatchObject({
      code: "ERR_NATIVE",
      message: "the file cannot be read: Bad file descriptor",
    });
    expect(
      failureOf(() => memory.uploadFile({ descriptor: 0, position: 0, bytes: 9 * 2 ** 20 + 1 }, stream)).code,
    ).toBe("ERR_QKNORM_LAYOUT");
    expect(failureOf(() => memory.uploadFile({ descriptor: -1, position: 0, bytes: 1 }, stream)).code).toBe(
      "ERR_QKNORM_ARGUMENT",
    );
  });

  it("copies on the device and fills, and refuses ranges outside and overlaps", () => {
    using stream = new CudaStream(0);
    using a = new CudaMemory(stream, 16);
    using b = new CudaMemory(stream, 16);
    a.fill(3, stream);
    a.fill(9, stream, 4, 4);
    b.fill(0, stream);
    b.copyFrom(a, stream, { offset: 8, fromOffset: 2, bytes: 8 });
    const got = new Uint8Array(16);
    b.download(got, stream);
    expect([...got]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 9, 9, 9, 9, 3, 3]);
    expect(failureOf(() => a.upload(new Uint8Array(9), stream, 8))).toMatchObject({
      code: "ERR_QKNORM_LAYOUT",
      message: "the copy needs 9 bytes from offset 8, but its memory has 16",
    });
    expect(failureOf(() => a.download(new Float64Array(3), stream)).code).toBe("ERR_QKNORM_LAYOUT");
    expect(failureOf(() => a.fill(1, stream, 2 ** 53 - 1, 2)).code).toBe("ERR_QKNORM_LAYOUT");
    expect(failureOf(() => a.fill(256, stream)).code).toBe("ERR_QKNORM_ARGUMENT");
    const onto = { offset: 4, fromOffset: 0, bytes: 8 };
    expect(failureOf(() => a.copyFrom(a, stream, onto)).code).toBe("ERR_QKNORM_OVERLAP");
  });

  it("counts live bytes and keeps to the budget", () => {
    using stream = new CudaStream(0);
    setCudaBudget(0, 100);
    const memory = new CudaMemory(stream, 80);
    expect(cudaUsage(0)).toMatchObject({ liveBytes: 80, budget: 100 });
    expect(failureOf(() => new CudaMemory(stream, 21))).toMatchObject({
      code: "ERR_CUDA",
      message: "21 more bytes on cuda:0 do not fit: 80 of the budget of 100 are in use",
    });
    new CudaMemory(stream, 20).free();
    memory.free();
    memory.free();
    expect(cudaUsage(0).liveBytes).toBe(0);
  });

  it("lets the pool go and asks again when memory is out, then says how much is in use", () => {
    using stream = new CudaStream(0);
    scripted({ cuMemAllocAsync: 2 });
    expect(failureOf(() => new CudaMemory(stream, 4096))).toMatchObject({
      code: "ERR_CUDA",
      api: "cuMemAllocAsync",
      status: "CUDA_ERROR_OUT_OF_MEMORY",
      message:
        "cuMemAllocAsync failed: CUDA_ERROR_OUT_OF_MEMORY (as the script says); 4096 bytes on cuda:0, where 536870912 are free and 0 are in use",
    });
    expect(notes().filter((note) => note === "trim")).toHaveLength(2); // what the second attempt got goes back, too
  });

  it("frees memory behind the streams that used it", () => {
    using home = new CudaStream(0);
    using other = new CudaStream(0);
    const memory = new CudaMemory(home, 8);
    memory.fill(1, other);
    notes();
    memory.free();
    expect(notes()).toEqual(["wait", expect.stringMatching(/^free 8 on/)]);
  });

  it("lets an empty block be, and a stream be freed before its memory", () => {
    const stream = new CudaStream(0);
    const empty = new CudaMemory(stream, 0);
    empty.upload(new Uint8Array(0), stream);
    notes();
    empty.free();
    expect(notes()).toEqual([]);
    const memory = new CudaMemory(stream, 8);
    stream.free();
    notes();
    memory.free();
    expect(notes()[0]).toMatch(/^free 8 on/);
    expect(failureOf(() => stream.synchronize())).toMatchObject({
      code: "ERR_QKNORM_ARGUMENT",
      message: expect.stringMatching(/^stream is not a stream: 0/),
    });
  });

  it("never takes one kind of thing for another, nor one device's for another's", () => {
    using stream = new CudaStream(0);
    using elsewhere = new CudaStream(1);
    using memory = new CudaMemory(stream, 8);
    using event = new CudaEvent(1);
    const asStream = memory as unknown as CudaStream;
    expect(failureOf(() => memory.fill(0, asStream)).message).toBe("a stream must be a CudaStream");
    const { handle } = memory;
    expect(failureOf(() => requireBinding().cudaFill(handle, 0, 8, 0, handle)).message).toMatch(
      /is not a stream: .* names something else/,
    );
    expect(failureOf(() => memory.fill(0, elsewhere))).toMatchObject({
      code: "ERR_QKNORM_DEVICE",
      message: "the memory and the stream are of different devices: cuda:0 and cuda:1",
    });
    expect(failureOf(() => event.record(stream)).code).toBe("ERR_QKNORM_DEVICE");
  });

  it("times and orders with events", () => {
    using stream = new CudaStream(0);
    using other = new CudaStream(0);
    using start = new CudaEvent(0, { timed: true });
    using end = new CudaEvent(0, { timed: true });
    start.record(stream);
    end.record(stream);
    other.waitFor(stream);
    expect(end.since(start)).toBe(1.5);
    scripted({ cuEventQuery: 600, cuStreamQuery: 600 });
    expect([end.isDone(), stream.isDone()]).toEqual([false, false]);
    scripted({ cuEventQuery: 700, cuStreamSynchronize: 700 });
    expect(failureOf(() => end.isDone())).toMatchObject({ code: "ERR_CUDA", api: "cuEventQuery" });
    expect(failureOf(() => stream.synchronize()).message).toMatch(
      /^cuStreamSynchronize failed: CUDA_ERROR_SCRIPTED/,
    );
  });

  it("names the call that failed in the middle of a copy", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 8);
    scripted({ cuMemcpyHtoDAsync: 719 });
    expect(failureOf(() => memory.upload(new Uint8Array(8), stream)).api).toBe("cuMemcpyHtoDAsync");
  });
});
