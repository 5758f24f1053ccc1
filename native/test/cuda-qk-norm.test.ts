import { beforeEach, describe, expect, it } from "vitest";
import {
  CudaGraph,
  CudaMemory,
  type CudaNormForm,
  CudaQkNorm,
  CudaRowNorm,
  CudaStream,
} from "../src/index.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";
import { device, form, fresh, head, k, kStart, launched, launchesIn, q, token } from "./cuda-norm-case.ts";

beforeEach(() => {
  scripted();
  notes();
});

describe.skipIf(missing !== "")(`the launch of QK norm, on a stand-in driver${missing}`, () => {
  it("packs the arguments as the kernel declares them", () => {
    using stream = new CudaStream(0);
    using x = new CudaMemory(stream, 3 * token);
    using y = new CudaMemory(stream, 4 * head * 10);
    using weights = new CudaMemory(stream, 8 * head + 2 * head);
    const kernels = fresh();
    const launch = new CudaQkNorm(kernels, {
      form: { ...form, bias: "bf16", inPlace: false },
      q: { ...q, outTokenStride: 8 * head, outHeadStride: head, weightHeadStride: head },
      k: { ...k, outTokenStride: 2 * head, outHeadStride: head },
      config: { lanes: 16, rows: 1, block: 256, trigger: 1, loop: 0, waves: 0, prefetch: 0, radix: 2 },
    });
    const at = { q: 0, k: 3 * 8 * head };
    launch.bind("qInput", x).bind("kInput", x, kStart).bind("qOutput", y, at.q).bind("kOutput", y, at.k);
    launch.bind("qWeight", weights).bind("kWeight", weights, 8 * head);
    launch.bind("qBias", weights).bind("kBias", weights, 9 * head);
    launch.tokens(3).run(stream);
    const { view, geometry } = launched();
    expect(geometry).toBe("grid 2 1 1 block 256 1 1 shared 0 early"); // 3 tokens x 10 heads x 16 lanes
    const u32 = (byte: number) => view.getUint32(byte, true);
    const i64 = (byte: number) => Number(view.getBigInt64(byte, true));
    const addresses = (side: number) => [0, 8, 16, 24].map((byte) => i64(side + byte));
    const [qx, qy, qw, qb] = addresses(0) as [number, number, number, number];
    expect(addresses(80)).toEqual([qx + kStart, qy + at.k, qw + 8 * head, qb + 9 * head]);
    const strides = (side: number) => [32, 40, 48, 56, 64].map((byte) => i64(side + byte));
    expect(strides(0)).toEqual([token, head, 8 * head, head, head]);
    expect(strides(80)).toEqual([token, head, 2 * head, head, 0]);
    expect([view.getFloat32(72, true), u32(76), view.getFloat32(152, true), u32(156)]).toEqual([
      Math.fround(1e-6),
      8,
      Math.fround(1e-5),
      2,
    ]);
    // tokens, heads, slices, trips, and what divides by 10
    expect([160, 164, 168, 172].map(u32)).toEqual([3, 10, 3, 1]);
    expect((12_345n * BigInt(u32(176))) >> BigInt(u32(180))).toBe(1234n);
  });

  it("hands the form to the compiler, and takes forms that compute the same for one", () => {
    const macros = (change: Partial<CudaNormForm>) =>
      CudaQkNorm.requests({ ...form, ...change }, device)[0]!.macros;
    expect(macros({})).toMatchObject({
      ...{ QK_HEAD_DIM: 128, QK_DTYPE: 1, QK_WEIGHT: 1, QK_BIAS: 0, QK_WEIGHT_DTYPE: 1, QK_KIND: 0 },
      ...{ QK_OFFSET: 0, QK_HF: 0, QK_IN_PLACE: 1, QK_ALIGN: 16, QK_WEIGHT_ALIGN: 16 },
    });
    expect(
      macros({ dtype: "f16", kind: "layer", weight: "f32", bias: "f32", weightOffset: 1 }),
    ).toMatchObject({ QK_DTYPE: 2, QK_KIND: 1, QK_WEIGHT_DTYPE: 0, QK_BIAS: 1, QK_OFFSET: 1 });
    const weightless = { weight: null, weightOffset: 1, weightAlignment: 4 } as const;
    expect(macros(weightless)).toEqual(macros({ weight: null }));
    const all = CudaQkNorm.requests(form, device).map((request) => JSON.stringify(request.macros));
    expect(new Set(all).size).toBe(all.length);
    expect(all[0]).toMatch(/"QK_LANES":\d+,"QK_ROWS":\d+,"QK_BLOCK":\d+,"QK_TRIGGER":\d/);
  });

  it("changes tokens and memory without compiling again, and takes the kernel that the table says", () => {
    using stream = new CudaStream(0);
    using weights = new CudaMemory(stream, head);
    using small = new CudaMemory(stream, 3 * token);
    using large = new CudaMemory(stream, 5000 * token);
    const launch = new CudaQkNorm(fresh(), { form, q, k });
    launch.bind("qWeight", weights).bind("kWeight", weights);
    const run = (memory: CudaMemory, tokens: number) => {
      launch.tokens(tokens).bind("qInput", memory).bind("kInput", memory, kStart).run(stream);
      const all = notes();
      return [
        all.filter((note) => note.startsWith("compile")).length,
        launched(all).view.getUint32(160, true),
      ];
    };
    expect(run(small, 2)).toEqual([1, 2]);
    expect(run(small, 3)).toEqual([0, 3]);
    expect(run(large, 5000)).toEqual([1, 5000]);
    expect(run(small, 2)).toEqual([0, 2]);
    expect(run(large, 5000)).toEqual([0, 5000]);
  });

  it("launches nothing for no tokens and no heads, and q alone without k", () => {
    using stream = new CudaStream(0);
    using weights = new CudaMemory(stream, head);
    using x = new CudaMemory(stream, token);
    const none = new CudaQkNorm(fresh(), { form, q: { ...q, heads: 0 }, k: { ...k, heads: 0 } });
    none.tokens(1).run(stream);
    const alone = new CudaQkNorm(fresh(), { form, q, k: { ...k, heads: 0 } });
    alone.tokens(0).run(stream);
    expect(notes()).toEqual([expect.stringMatching(/^stream/)]);
    alone.bind("qWeight", weights).bind("qInput", x).tokens(1).run(stream);
    const { view } = launched();
    expect([164, 76, 156].map((byte) => view.getUint32(byte, true))).toEqual([8, 8, 0]);
    expect(failureOf(() => alone.bind("kInput", x)).message).toBe(
      "this launch has no kInput, but qInput, qWeight",
    );
  });

  it("fails the same way again where a kernel could not be loaded, unless memory was out", () => {
    const wanted = CudaQkNorm.requests(form, device)[0]!;
    const loading = (status: number) => {
      const kernels = fresh();
      scripted({ cuModuleLoadDataEx: status });
      const failure = failureOf(() => kernels.get(wanted));
      scripted();
      return { kernels, failure };
    };
    const foreign = loading(209);
    expect(foreign.failure).toMatchObject({
      ...{ code: "ERR_CUDA", api: "cuModuleLoadDataEx", status: "CUDA_ERROR_NO_BINARY_FOR_GPU" },
      message: expect.stringContaining("Fake 0 is sm_90"),
    });
    expect(failureOf(() => foreign.kernels.get(wanted))).toBe(foreign.failure);
    const full = loading(2);
    expect(full.failure.status).toBe("CUDA_ERROR_OUT_OF_MEMORY");
    expect(full.kernels.get(wanted).info.name).toBe("qk_norm");
  });

  it("says inside a capture that a kernel is not loaded, and is captured once it is", async () => {
    using stream = new CudaStream(0);
    using x = new CudaMemory(stream, token);
    using weights = new CudaMemory(stream, head);
    const kernels = fresh();
    const launch = new CudaQkNorm(kernels, { form, q, k }).tokens(1);
    launch.bind("qInput", x).bind("kInput", x, kStart).bind("qWeight", weights).bind("kWeight", weights);
    const failure = failureOf(() => CudaGraph.capture(stream, () => launch.run(stream)));
    expect(failure).toMatchObject({
      code: "ERR_QKNORM_SCOPE",
      message: expect.stringMatching(/^kernel qk_norm is not loaded yet, .* before the capture$/),
    });
    expect(notes().filter((note) => note.startsWith("compile"))).toEqual([]);
    const wanted = CudaQkNorm.requests(form, kernels.device);
    await kernels.warmUp(wanted);
    expect(notes().filter((note) => note.startsWith("compile"))).toHaveLength(wanted.length);
    using graph = CudaGraph.capture(stream, () => launch.run(stream));
    expect(graph.handle).toBeGreaterThan(0);
    expect(launchesIn(notes())).toHaveLength(1);
  });
});

describe.skipIf(missing !== "")(`the launch of one norm, on a stand-in driver${missing}`, () => {
  it("packs a block per row, of any length", () => {
    using stream = new CudaStream(0);
    using x = new CudaMemory(stream, 2 * 3 * 2000);
    using affine = new CudaMemory(stream, 2 * 1000 * 4);
    const launch = new CudaRowNorm(fresh(), {
      form: {
        ...form,
        headDim: 1000 - 1,
        alignment: 2,
        kind: "layer",
        weight: "f32",
        bias: "f32",
        weightAlignment: 4,
      },
      x: { heads: 3, eps: 0.5, tokenStride: 6000, headStride: 2000 },
    });
    launch.bind("input", x).bind("weight", affine).bind("bias", affine, 4000).tokens(2).run(stream);
    const all = notes();
    const { view, geometry } = launched(all);
    expect(all.find((note) => note.startsWith("compile"))).toMatch(/-DQK_TAIL=7 /);
    expect(geometry).toBe("grid 6 1 1 block 128 1 1 shared 0 early");
    const i64 = (byte: number) => Number(view.getBigInt64(byte, true));
    expect(i64(24) - i64(16)).toBe(4000);
    expect([32, 40, 48, 56, 64].map(i64)).toEqual([6000, 2000, 0, 0, 0]);
    expect([view.getFloat32(72, true), view.getFloat32(76, true)]).toEqual([0.5, Math.fround(1 / 999)]);
    expect([view.getUint32(80, true), view.getUint32(84, true)]).toEqual([125, 3]);
  });
});
