import { beforeEach, describe, expect, it } from "vitest";
import {
  alignmentOf,
  CudaGraph,
  CudaKernels,
  CudaMemory,
  type CudaNormForm,
  type CudaNormSide,
  CudaQkNorm,
  type CudaQkNormOptions,
  CudaRowNorm,
  CudaStream,
  cudaDevice,
  Jit,
  type QkNormOperand,
} from "../src/index.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";

const form: CudaNormForm = {
  ...{ headDim: 128, dtype: "bf16", kind: "rms", weight: "bf16", bias: null, weightOffset: 0 },
  ...{ rounding: "once", inPlace: true, alignment: 16, weightAlignment: 16 },
} as const;

// q [T, 8, 128], k and v [T, 2, 128], packed: 12 heads of 256 bytes to a token.
const head = 256;
const token = 12 * head;
const q: CudaNormSide = { heads: 8, eps: 1e-6, tokenStride: token, headStride: head };
const k: CudaNormSide = { heads: 2, eps: 1e-5, tokenStride: token, headStride: head };
const kStart = 8 * head;

const fresh = () => new CudaKernels(cudaDevice(0), new Jit({ folder: null, seeds: [] }));

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
      CudaQkNorm.requests({ ...form, ...change }, "sm_90")[0]!.macros;
    expect(macros({})).toMatchObject({
      ...{ QK_HEAD_DIM: 128, QK_DTYPE: 1, QK_WEIGHT: 1, QK_BIAS: 0, QK_WEIGHT_DTYPE: 1, QK_KIND: 0 },
      ...{ QK_OFFSET: 0, QK_HF: 0, QK_IN_PLACE: 1, QK_ALIGN: 16, QK_WEIGHT_ALIGN: 16 },
    });
    expect(
      macros({ dtype: "f16", kind: "layer", weight: "f32", bias: "f32", weightOffset: 1 }),
    ).toMatchObject({ QK_DTYPE: 2, QK_KIND: 1, QK_WEIGHT_DTYPE: 0, QK_BIAS: 1, QK_OFFSET: 1 });
    const weightless = { weight: null, weightOffset: 1, weightAlignment: 4 } as const;
    expect(macros(weightless)).toEqual(macros({ weight: null }));
    const all = CudaQkNorm.requests(form, "sm_90").map((request) => JSON.stringify(request.macros));
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

  it("refuses operands that are not bound, freed, unaligned, too short, or of another device", () => {
    using stream = new CudaStream(0);
    using elsewhere = new CudaStream(1);
    const weights = new CudaMemory(stream, head);
    using x = new CudaMemory(stream, 2 * token);
    using foreign = new CudaMemory(elsewhere, 2 * token);
    const launch = new CudaQkNorm(fresh(), { form, q, k }).tokens(2);
    launch.bind("qInput", x).bind("kInput", x, kStart).bind("qWeight", weights);
    expect(failureOf(() => launch.run(stream))).toMatchObject({
      code: "ERR_QKNORM_ARGUMENT",
      message: "kWeight is not bound to any memory",
    });
    launch.bind("kWeight", weights);
    for (const offset of [8, -16, 0.5, Number.NaN]) {
      expect(failureOf(() => launch.bind("kInput", x, offset)).code).toBe("ERR_QKNORM_LAYOUT");
    }
    const moved = { memory: x, offset: kStart + token };
    launch.bind("kInput", moved.memory, moved.offset);
    expect(failureOf(() => launch.run(stream)).code).toBe("ERR_QKNORM_LAYOUT");
    launch.bind("kInput", foreign, kStart);
    expect(failureOf(() => launch.run(stream)).code).toBe("ERR_QKNORM_DEVICE");
    launch.bind("kInput", x, kStart).run(stream);
    expect(failureOf(() => launch.run(elsewhere)).code).toBe("ERR_QKNORM_DEVICE");
    weights.free();
    expect(failureOf(() => launch.run(stream)).message).toMatch(/has been freed/);
    expect(launchesIn(notes())).toHaveLength(1);
  });

  it("refuses to write over anything else of the call", () => {
    using stream = new CudaStream(0);
    using x = new CudaMemory(stream, 4 * token);
    using weights = new CudaMemory(stream, 4 * token);
    type Places = Partial<Record<QkNormOperand, number>>;
    const outcome = (places: Places, change: Partial<CudaQkNormOptions> = {}, tokens = 3) => {
      const launch = new CudaQkNorm(kernels, { form, q, k, ...change });
      const all: Places = { qInput: 0, kInput: kStart, ...places };
      launch.bind("qWeight", weights).bind("kWeight", weights);
      for (const [name, at] of Object.entries(all)) launch.bind(name as QkNormOperand, x, at);
      try {
        launch.tokens(tokens).run(stream);
        return "runs";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const kernels = fresh();
    expect(outcome({})).toBe("runs");
    expect(outcome({ kInput: kStart - head })).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ kInput: 0 })).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ kInput: 11 * head })).toBe("ERR_QKNORM_OVERLAP"); // its second head is the next token's first
    expect(outcome({ kWeight: 7 * head })).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ kWeight: 3 * token })).toBe("runs");
    // Head by head: q, k and v of a head side by side, as in GPT-NeoX.
    const byHead = {
      q: { ...q, heads: 4, headStride: 3 * head },
      k: { ...k, heads: 4, headStride: 3 * head },
    };
    expect(outcome({ kInput: head }, byHead)).toBe("runs");
    expect(outcome({ kInput: head / 2 }, byHead)).toBe("ERR_QKNORM_OVERLAP");
    // The same in tokens that end with something else; the second time k's last head is behind the token's end.
    const padded = (side: CudaNormSide) => ({
      ...side,
      heads: 3,
      headStride: 3 * head,
      tokenStride: 10 * head,
    });
    expect(outcome({ kInput: head }, { q: padded(q), k: padded(k) })).toBe("runs");
    expect(outcome({ kInput: 4 * head }, { q: padded(q), k: padded(k) })).toBe("ERR_QKNORM_OVERLAP");
    // [H, T, D]: the tokens of a head lie together.
    const turned = { tokenStride: head, headStride: 3 * head };
    expect(outcome({ kInput: 8 * 3 * head }, { q: { ...q, ...turned }, k: { ...k, ...turned } })).toBe(
      "runs",
    );
    // [H, 3, T, D]: the tokens of a head's q, then those of its k, then those of its v.
    const both = { heads: 4, tokenStride: head, headStride: 3 * 3 * head };
    const headwise = { q: { ...q, ...both }, k: { ...k, ...both } };
    expect(outcome({ kInput: 3 * head }, headwise)).toBe("runs");
    expect(outcome({ kInput: 2 * head }, headwise)).toBe("ERR_QKNORM_OVERLAP");
    const squeezed = { q: { ...q, tokenStride: 4 * head } };
    expect(outcome({}, squeezed)).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({}, { ...squeezed }, 1)).toBe("runs");
    // Out of place x may be read twice, and y may not be anywhere on it.
    const apart = {
      form: { ...form, inPlace: false },
      q: { ...q, outTokenStride: 8 * head, outHeadStride: head },
      k: { ...k, outTokenStride: 2 * head, outHeadStride: head },
    };
    expect(outcome({ kInput: 0, qOutput: token, kOutput: token + 8 * head }, apart, 1)).toBe("runs");
    expect(outcome({ qOutput: 2 * head, kOutput: 2 * token }, apart, 1)).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ qOutput: token, kOutput: token + 7 * head }, apart, 1)).toBe("ERR_QKNORM_OVERLAP");
  });

  it("refuses what no kernel is made for", () => {
    const code = (change: Partial<CudaNormForm>, side: Partial<CudaNormSide> = {}) =>
      failureOf(() => new CudaQkNorm(kernels, { form: { ...form, ...change }, q: { ...q, ...side }, k }))
        .code;
    const kernels = fresh();
    for (const headDim of [0, 4, 12, 1032, 7.5, Number.NaN])
      expect(code({ headDim })).toBe("ERR_QKNORM_SHAPE");
    expect(code({ dtype: "f64" as "f32" })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ bias: "f32" })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ kind: "toString" as "rms" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rounding: "twice" as "hf" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ dtype: "f32", alignment: 2 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ alignment: 32 as 16 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({}, { tokenStride: token + 8 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({}, { headStride: -head })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({}, { weightHeadStride: 8 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({}, { eps: -1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({}, { heads: 1.5 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(failureOf(() => new CudaQkNorm(kernels, { form, q }).tokens(-1)).code).toBe("ERR_QKNORM_ARGUMENT");
    expect([alignmentOf(), alignmentOf(32, 8), alignmentOf(16, 4), alignmentOf(6)]).toEqual([16, 8, 4, 2]);
  });

  it("fails the same way again where a kernel could not be loaded, unless memory was out", () => {
    const wanted = CudaQkNorm.requests(form, "sm_90")[0]!;
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
    const wanted = CudaQkNorm.requests(form, kernels.device.arch);
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

const launchesIn = (all: readonly string[]) => all.filter((note) => note.startsWith("launch"));

/** The one launch of a norm among the notes: its arguments and its geometry. */
function launched(all = notes()): { view: DataView; geometry: string } {
  const [only, ...others] = launchesIn(all);
  expect(others).toEqual([]);
  const [, geometry, hex] = /^launch sm_90 (.*) (?:qk|row)_norm ([0-9a-f]+)$/.exec(only ?? "") ?? [];
  const bytes = Uint8Array.from(Buffer.from(hex ?? "", "hex"));
  return { view: new DataView(bytes.buffer), geometry: geometry ?? "" };
}
