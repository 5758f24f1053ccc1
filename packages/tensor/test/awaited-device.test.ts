import { applyQkNorm, type NormModule, type NormSpec, planQkNorm } from "@qknorm/core";
import { describe, expect, it } from "vitest";
import {
  add,
  convert,
  gatherRows,
  Indices,
  linear,
  normalize,
  Tensor,
  tidy,
  useKernels,
  writeCache,
} from "../src/index.ts";
import { awaitedDevice, openAwaitedDevice } from "./awaited-device.ts";
import { normal } from "./random-values.ts";

const device = openAwaitedDevice();

const there = (shape: readonly number[], seed: number): [cpu: Tensor, awaited: Tensor] => {
  const size = shape.reduce((a, b) => a * b, 1);
  const cpu = Tensor.from(normal(seed, size), shape);
  return [cpu, cpu.to(awaitedDevice)];
};

describe("a device that can only be awaited", () => {
  it("computes what the CPU does, once somebody awaits it, and not before", async () => {
    useKernels("typescript");
    const [x, xThere] = there([3, 8], 1);
    const [w, wThere] = there([5, 8], 2);
    const chain = (a: Tensor, b: Tensor) => add(linear(a, b), linear(a, b));
    const turns = device.turns;
    const result = chain(xThere, wThere);
    expect(device.turns).toBe(turns);
    expect(await result.read()).toEqual(chain(x, w).readNow());
    const ids = Indices.from([2, 0]);
    expect(await gatherRows(xThere, ids, "bf16").read()).toEqual(gatherRows(x, ids, "bf16").readNow());
    useKernels("auto");
  });

  it("without the op that writes a cache, writes the slots that the host knows, in any order, and skips those below 0", async () => {
    const { writeCache: lent } = device.ops;
    Reflect.deleteProperty(device.ops, "writeCache");
    try {
      const [[k, kThere], [v, vThere]] = [there([6, 2, 4], 7), there([6, 2, 4], 8)];
      const caches = [9, 10].map((seed) => there([8, 2, 4], seed));
      const slots = Indices.slots([5, 4, -1, 0, 1, 7]);
      const [[kCache, kCacheThere], [vCache, vCacheThere]] = caches as [[Tensor, Tensor], [Tensor, Tensor]];
      writeCache(k, v, kCache, vCache, slots);
      writeCache(kThere, vThere, kCacheThere, vCacheThere, slots);
      expect(await kCacheThere.read()).toEqual(kCache.readNow());
      expect(await vCacheThere.read()).toEqual(vCache.readNow());
    } finally {
      Object.assign(device.ops, { writeCache: lent });
    }
  });

  it("takes a copy of what it is given when it is given", async () => {
    const array = Float32Array.of(1, 2, 3);
    const x = new Tensor(array, "f32", [3]).to(awaitedDevice);
    array.fill(9);
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 3));
    expect(await Tensor.zeros([2], "f32", awaitedDevice).read()).toEqual(Float32Array.of(0, 0));
  });

  it("is refused by name where it would have to be waited for", () => {
    const [, x] = there([2], 3);
    for (const run of [() => x.readNow(), () => x.to("cpu"), () => x.data]) {
      expect(run).toThrow(expect.objectContaining({ code: "ERR_QKNORM_DEVICE" }));
      expect(run).toThrow(/awaited:0.*read\(\)/);
    }
    expect(() => add(x, Tensor.zeros([2]))).toThrow(expect.objectContaining({ code: "ERR_QKNORM_DEVICE" }));
  });

  it("runs applyQkNorm by its own fused kernel, in place and apart, and by two norms", async () => {
    const [, weight] = there([8], 4);
    const spec: NormSpec<Tensor> = {
      kind: "rms",
      axis: "head",
      weight,
      eps: 1e-6,
      weightOffset: 0,
      rounding: "hf",
    };
    const norm: NormModule<Tensor> = { spec, forward: (x) => normalize(x, spec) };
    const [cpu, qkv] = there([2, 6 * 8], 5);
    const cpuSpec = { ...spec, weight: there([8], 4)[0] };
    const cpuNorm: NormModule<Tensor> = { spec: cpuSpec, forward: (x) => normalize(x, cpuSpec) };
    const parts = (x: Tensor) => x.split(1, [4 * 8, 8, 8]) as [Tensor, Tensor, Tensor];
    const [q, k] = parts(qkv);
    expect(planQkNorm({ q, k, qNorm: norm, kNorm: norm, headDim: 8 })).toMatchObject({
      path: "fused",
      provider: "awaited",
    });
    const [wantQ, wantK] = applyQkNorm(...(parts(cpu).slice(0, 2) as [Tensor, Tensor]), cpuNorm, cpuNorm, 8, {
      allowInplace: false,
    });
    const read = async (pair: readonly [Tensor, Tensor]) => [await pair[0].read(), await pair[1].read()];
    const wanted = [wantQ.readNow(), wantK.readNow()];
    expect(await read(applyQkNorm(q, k, norm, norm, 8, { allowInplace: false }))).toEqual(wanted);
    expect(await read(applyQkNorm(q, k, norm, norm, 8, { path: "fallback" }))).toEqual(wanted);
    expect(await read(applyQkNorm(q, k, norm, norm, 8))).toEqual(wanted);
    expect(await q.read()).toEqual(wanted[0]);
  });

  it("frees what a tidy made, after the work that was queued on it", async () => {
    const [, x] = there([4], 6);
    await x.read();
    const before = device.live;
    const y = tidy(() => convert(add(add(x, x), x), "bf16"));
    y.dispose();
    await x.read();
    expect(device.live).toBe(before);
  });
});
