// The persistent grids of qk_norm.cu by its own text: lane groups that take several rows, one after the other.
import { beforeEach, describe, expect, it } from "vitest";
import { CudaMemory, CudaQkNorm, CudaStream, type LaunchConfig } from "../src/index.ts";
import { missing, notes, scripted } from "./cuda-fake.ts";
import { form, fresh, k, kStart, launched, q, token } from "./cuda-norm-case.ts";

const config: LaunchConfig = {
  ...{ lanes: 16, rows: 1, block: 64, trigger: 1, loop: 0, waves: 0, prefetch: 0, radix: 2 },
};

/** Packed QKV of so many tokens after the norm, and the geometry of its launch. */
function normalized(tokens: number, change: Partial<LaunchConfig>): { rows: Uint16Array; geometry: string } {
  using stream = new CudaStream(0);
  using qkv = new CudaMemory(stream, tokens * token);
  using weights = new CudaMemory(stream, 256);
  const bf16 = (i: number) => 0x3f00 + ((i * 7919) % 251) + ((i & 1) << 15);
  qkv.upload(
    Uint16Array.from({ length: (tokens * token) / 2 }, (_, i) => bf16(i)),
    stream,
  );
  weights.upload(
    Uint16Array.from({ length: 128 }, (_, i) => bf16(3 * i)),
    stream,
  );
  const launch = new CudaQkNorm(fresh(), { form, q, k, config: { ...config, ...change } });
  launch.bind("qInput", qkv).bind("kInput", qkv, kStart).bind("qWeight", weights).bind("kWeight", weights);
  launch.tokens(tokens).run(stream);
  const { geometry } = launched();
  const rows = new Uint16Array((tokens * token) / 2);
  qkv.download(rows, stream);
  return { rows, geometry };
}

describe.skipIf(missing !== "")(`the loops of QK norm, on a stand-in driver${missing}`, () => {
  beforeEach(() => {
    scripted({ "own text": 1, multiprocessors: 4 });
    notes();
  });

  it.each([1, 2] as const)(
    "gives every row the bits of a grid that covers all of them, by loop %s",
    (loop) => {
      const tokens = 50;
      const whole = normalized(tokens, {});
      const looped = normalized(tokens, { loop, waves: 1 });
      expect(Number.parseInt(looped.geometry.slice("grid ".length), 10)).toBeLessThan(
        Number.parseInt(whole.geometry.slice("grid ".length), 10) / 2,
      );
      expect(looped.rows).toEqual(whole.rows);
    },
  );
});
