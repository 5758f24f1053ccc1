// Graphs and streams around applyQkNorm, on any CUDA device.
import {
  applyQkNorm,
  currentStream,
  planQkNorm,
  setQkNormLogger,
  warmUpQkNorm,
  withStream,
} from "@qknorm/core";
import { CudaStream } from "@qknorm/native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cudaStream } from "../src/cuda.ts";
import { type CudaDeviceName, DeviceGraph, liveBytes, openDevice, Tensor, tidy } from "../src/index.ts";
import { filled, norm, rms, type Spec, specOn } from "./qk-norm-cases.ts";

const D = 64;

/** Declares the tests; the outcome of `replays` replays is compared with that of as many calls. */
export function captureSuite(device: CudaDeviceName, replays: number): void {
  const ordinal = Number(device.slice("cuda:".length));
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(async () => {
    logger = setQkNormLogger(null);
    await openDevice(device);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  /** Packed q, k and v of three tokens, and one norm. A weight of 2 makes each call change the result of the one before. */
  function scene(seed: number): { qkv: Tensor; q: Tensor; k: Tensor; spec: Spec } {
    const qkv = filled(seed, [3, 6 * D], "bf16").to(device);
    const [q, k] = qkv.split(1, [3 * D, D, 2 * D]) as [Tensor, Tensor];
    const weight = Tensor.from(new Float64Array(D).fill(2), [D], "bf16");
    return { qkv, q, k, spec: specOn(device, { ...rms, weight }) };
  }

  test("a captured call runs at each replay, and gives what as many calls give", async () => {
    const captured = scene(1);
    const called = scene(1);
    try {
      const qkNorm = norm(captured.spec);
      const { q, k } = captured;
      expect(await warmUpQkNorm({ q, k, qNorm: qkNorm, kNorm: qkNorm, headDim: D })).toMatchObject({
        path: "fused",
      });
      const before = captured.qkv.toNumbers();
      using graph = DeviceGraph.capture(device, () => applyQkNorm(q, k, qkNorm, qkNorm, D));
      expect(captured.qkv.toNumbers()).toEqual(before);
      for (let i = 0; i < replays; i++) graph.replay();
      for (let i = 0; i < replays; i++) applyQkNorm(called.q, called.k, qkNorm, qkNorm, D);
      expect(captured.qkv.to("cpu").data).toEqual(called.qkv.to("cpu").data);
    } finally {
      for (const { qkv, spec } of [captured, called]) {
        qkv.dispose();
        spec.weight?.dispose();
      }
    }
  });

  test("a graph keeps the memory of a call out of place, whoever disposes it", () => {
    const { qkv, q, k, spec } = scene(2);
    const qkNorm = norm(spec);
    const call = () => applyQkNorm(q, k, qkNorm, qkNorm, D, { allowInplace: false });
    const expected = tidy(() => call().map((x) => [...x.toNumbers()]));
    let results: Tensor[] = [];
    const graph = DeviceGraph.capture(device, () => {
      results = call();
    });
    graph.replay();
    expect(results.map((x) => [...x.toNumbers()])).toEqual(expected);
    for (const x of [...results, qkv, spec.weight as Tensor]) x.dispose();
    expect(liveBytes(device)).toBeGreaterThan(0);
    graph.replay();
    graph.dispose();
    expect(liveBytes(device)).toBe(0);
  });

  test("the fallback puts k on the other stream in a capture, and joins it", () => {
    tidy(() => {
      const { qkv, q, k, spec } = scene(3);
      const qkNorm = norm(spec);
      const altStream = new CudaStream(ordinal);
      const options = { altStream, path: "fallback" } as const;
      const call = () => applyQkNorm(q, k, qkNorm, qkNorm, D, options);
      const expected = call().map((x) => [...x.toNumbers()]);
      let results: Tensor[] = [];
      using graph = DeviceGraph.capture(device, () => {
        expect(planQkNorm({ q, k, qNorm: qkNorm, kNorm: qkNorm, headDim: D, options })).toMatchObject({
          streams: 2,
        });
        results = call();
      });
      expect(altStream.isCapturing()).toBe(false);
      graph.replay();
      expect(results.map((x) => [...x.toNumbers()])).toEqual(expected);
      expect(qkv.toNumbers()).toEqual(filled(3, [3, 6 * D], "bf16").toNumbers());
      altStream.free();
    });
  });

  test("work goes to the stream that withStream sets, and to the device's own one otherwise", () => {
    const own = cudaStream(ordinal);
    expect(cudaStream(ordinal)).toBe(own);
    expect(currentStream(ordinal)).toBe(own);
    using other = new CudaStream(ordinal);
    tidy(() =>
      withStream(other, () => {
        expect(cudaStream(ordinal)).toBe(other);
        const { q, k, spec } = scene(4);
        const called = applyQkNorm(q, k, norm(spec), norm(spec), D).map((x) => [...x.toNumbers()]);
        const there = scene(4);
        const again = withStream(own, () => {
          own.waitFor(other);
          return applyQkNorm(there.q, there.k, norm(spec), norm(spec), D).map((x) => [...x.toNumbers()]);
        });
        expect(again).toEqual(called);
      }),
    );
    expect(cudaStream(ordinal)).toBe(own);
  });

  test("an exception inside leaves no graph and no capture, and comes out as it is", () => {
    const boom = new Error("boom");
    const fail = () =>
      DeviceGraph.capture(device, () => {
        throw boom;
      });
    expect(fail).toThrow(boom);
    expect(cudaStream(ordinal).isCapturing()).toBe(false);
  });

  test.each<[string, (x: Tensor) => unknown]>([
    ["reading a tensor", (x) => x.toNumbers()],
    ["filling one from the CPU", (x) => x.copyFrom(Tensor.zeros(x.shape))],
    ["a capture", () => DeviceGraph.capture(device, () => {})],
    ["an asynchronous function", async () => {}],
  ])("%s inside a capture is refused by name", (_, work) => {
    tidy(() => {
      const x = Tensor.zeros([4], "f32", device);
      expect(() => DeviceGraph.capture(device, () => work(x))).toThrow(
        expect.objectContaining({ code: "ERR_QKNORM_SCOPE" }),
      );
      expect(cudaStream(ordinal).isCapturing()).toBe(false);
      expect([...x.toNumbers()]).toEqual([0, 0, 0, 0]);
    });
  });

  test("a call that was never made before cannot compile inside a capture, and says what to do", () => {
    tidy(() => {
      const x = Tensor.zeros([2, 2 * 24], "f16", device);
      const [q, k] = x.split(1, [24, 24]) as [Tensor, Tensor];
      const unseen = norm({ ...rms, kind: "l2", weightOffset: 0 });
      const capture = () => DeviceGraph.capture(device, () => applyQkNorm(q, k, unseen, unseen, 24));
      expect(capture).toThrow(
        expect.objectContaining({ code: "ERR_QKNORM_SCOPE", message: expect.stringMatching(/warm ?up/i) }),
      );
      applyQkNorm(q, k, unseen, unseen, 24);
      using graph = capture();
      graph.replay();
    });
  });

  test("a graph that was disposed replays nothing more, and the CPU captures nothing", () => {
    const graph = DeviceGraph.capture(device, () => {});
    graph.dispose();
    graph.dispose();
    expect(() => graph.replay()).toThrow(expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT" }));
    expect(() => DeviceGraph.capture("cpu" as CudaDeviceName, () => {})).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_DEVICE" }),
    );
  });
}
