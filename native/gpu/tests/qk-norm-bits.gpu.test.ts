import { afterEach, describe, expect, it } from "vitest";
import { CudaGraph, CudaMemory, CudaStream } from "../../src/index.ts";
import { expectNothingLive, missing, programs } from "./gpu.ts";
import { judge } from "./judge.ts";
import { launchConfigs, nameOf } from "./launch-configs.ts";
import { NormCase } from "./norm-case.ts";
import { launchOf, runCase, uploaded } from "./norm-run.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const configs = launchConfigs.map((config) => ({ config, name: nameOf(config) }));

describe.skipIf(missing !== "")(`the bits of QK norm on a GPU${missing}`, () => {
  it.each(configs)("are the formula's for few and many tokens, launched as $name", ({ config }) => {
    using stream = new CudaStream(0);
    for (const tokens of [1, 3, 2001]) {
      const one = new NormCase({}, { tokens, heads: [8, 2] });
      expect([tokens, judge(one, runCase(one, stream, config))]).toEqual([tokens, ""]);
    }
  });

  it("are those of a token alone, in any batch and however it is launched", () => {
    using stream = new CudaStream(0);
    const heads = [8, 2] as const;
    const tokenLength = 12 * 128;
    const whole = new NormCase({}, { tokens: 4096, heads });
    const full = runCase(whole, stream);
    for (const config of [undefined, ...launchConfigs]) {
      for (const [first, last] of [
        [0, 4096],
        [7, 8],
        [100, 137],
        [1000, 3001],
        [4095, 4096],
      ] as const) {
        const part = new NormCase({}, { tokens: last - first, heads });
        const from = 64 + first * tokenLength;
        const length = (last - first) * tokenLength;
        part.before.set(whole.before.subarray(from, from + length), 64);
        const after = runCase(part, stream, config);
        const same = Buffer.compare(
          new Uint8Array(after.slice(64, 64 + length).buffer),
          new Uint8Array(full.slice(from, from + length).buffer),
        );
        expect([config && nameOf(config), first, last, same]).toEqual([
          config && nameOf(config),
          first,
          last,
          0,
        ]);
      }
    }
  });

  it.each(configs)("wait for a producer that lets them start early and then sleeps: $name", ({ config }) => {
    using stream = new CudaStream(0);
    const one = new NormCase({}, { tokens: 300, heads: [8, 2] });
    using source = uploaded(stream, one.before);
    using memory = new CudaMemory(stream, source.bytes);
    memory.fill(0x40, stream);
    const producer = programs.lateProducer();
    using norm = launchOf(one, stream, memory, memory, { config });
    norm.run(); // loads its kernel
    const queue = () => {
      for (let i = 0; i < 20; i++) {
        producer.launch([{ memory }, { memory: source }, memory.bytes / 4, 20], 8, 256).run(stream);
        norm.run();
      }
    };
    using graph = CudaGraph.capture(stream, queue);
    for (const run of [queue, () => graph.replay(stream)]) {
      run();
      const after = one.before.slice();
      memory.download(after, stream);
      expect(judge(one, after)).toBe("");
    }
  });

  it.each(configs)("are the eager ones in ten thousand replays: $name", ({ config }) => {
    using stream = new CudaStream(0);
    const one = new NormCase({}, { tokens: 40, heads: [8, 2] });
    using pristine = uploaded(stream, one.before);
    using eager = uploaded(stream, runCase(one, stream, config));
    using x = new CudaMemory(stream, pristine.bytes);
    using counts = new CudaMemory(stream, 8);
    counts.fill(0, stream);
    const words = x.bytes / 4;
    using norm = launchOf(one, stream, x, x, { config });
    const compare = programs.countDifferences();
    using graph = CudaGraph.capture(stream, () => {
      x.copyFrom(pristine, stream);
      norm.run();
      compare
        .launch([{ memory: x }, words, { memory: eager }, words, { memory: counts }], 64, 256)
        .run(stream);
    });
    for (let i = 0; i < 10_000; i++) graph.replay(stream);
    const got = new Uint32Array(2);
    counts.download(got, stream);
    expect([...got]).toEqual([0, 10_000]);
  });

  it("are the eager ones after ten thousand launches in place, each on the result of the last", () => {
    using stream = new CudaStream(0);
    const one = new NormCase({}, { tokens: 40, heads: [8, 2] });
    using eager = uploaded(stream, one.before);
    using replayed = uploaded(stream, one.before);
    using first = launchOf(one, stream, eager, eager);
    using second = launchOf(one, stream, replayed, replayed);
    for (let i = 0; i < 10_000; i++) first.run();
    using graph = CudaGraph.capture(stream, () => {
      for (let i = 0; i < 100; i++) second.run();
    });
    for (let i = 0; i < 100; i++) graph.replay(stream);
    const [a, b] = [eager, replayed].map((memory) => {
      const bits = one.before.slice();
      memory.download(bits, stream);
      return bits;
    });
    expect(b).toEqual(a);
  });
});
