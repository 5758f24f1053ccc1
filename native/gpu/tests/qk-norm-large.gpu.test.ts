import { afterEach, describe, expect, it } from "vitest";
import { CudaMemory, CudaStream, cudaUsage } from "../../src/index.ts";
import { devices, expectNothingLive, missing, programs } from "./gpu.ts";
import { judge } from "./judge.ts";
import { NormCase } from "./norm-case.ts";
import { launchOf, runCase, uploaded } from "./norm-run.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const heads = [32, 8] as const;
const tokenLength = (32 + 2 * 8) * 128;

describe.skipIf(missing !== "")(`large tensors on a GPU${missing}`, () => {
  it("are normalised past 2^31 elements of q, to the last of them", ({ skip }) => {
    using stream = new CudaStream(0);
    // Tokens repeat with a prime period, which no power of two divides: an address that wraps around shows.
    const period = 977;
    const tokens = Math.ceil(2 ** 31 / (heads[0] * 128)) + 1000;
    const bytes = 2 * (64 + tokens * tokenLength + 64);
    if (cudaUsage(0).freeBytes < 1.2 * bytes) skip("too little memory on this device");
    const few = new NormCase({}, { tokens: period, heads });
    using memory = new CudaMemory(stream, bytes);
    memory.fill(0, stream);
    memory.upload(few.before.subarray(0, 64 + period * tokenLength), stream);
    const words = (tokens * tokenLength) / 2;
    const repeated = (period * tokenLength) / 2;
    const body = { memory, offset: 128, bytes: 4 * words };
    programs
      .repeat()
      .launch([body, words, repeated], 132 * 16, 256)
      .run(stream);

    using many = launchOf(few, stream, memory, memory, { tokens });
    many.run();
    const after = few.before.slice();
    memory.download(after.subarray(0, 64 + period * tokenLength), stream);
    expect(judge(few, after)).toBe("");
    using counts = new CudaMemory(stream, 8);
    counts.fill(0, stream);
    programs
      .countDifferences()
      .launch([body, words, body, repeated, { memory: counts }], 132 * 16, 256)
      .run(stream);
    const got = new Uint32Array(2);
    counts.download(got, stream);
    expect([...got]).toEqual([0, 1]);
  });

  it("and small ones on every device of the process", () => {
    const results = Array.from({ length: devices }, (_, device) => {
      using stream = new CudaStream(device);
      const one = new NormCase({}, { tokens: 129, heads: [8, 2], seed: device + 1 });
      using unused = uploaded(stream, one.before);
      return [unused.device, judge(one, runCase(one, stream))];
    });
    expect(results).toEqual(Array.from({ length: devices }, (_, device) => [device, ""]));
  });
});
