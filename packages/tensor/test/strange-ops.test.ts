// Each op, and each function that makes or views a tensor, with values that no type would let through in each place.
import { describe, expect, test } from "vitest";
import * as library from "../src/index.ts";
import { DeviceGraph, DeviceMark, Indices, Tensor } from "../src/index.ts";
import { type Loose, outcome, spoilt } from "./strange-arguments.ts";

const f32 = (...shape: number[]) => Tensor.zeros(shape, "f32");
const e4m3 = (...shape: number[]) => Tensor.zeros(shape, "e4m3");
const some = (...values: number[]) => Indices.from(values);
const x = f32(2, 3);
const heads = f32(2, 1, 4);
const cache = f32(4, 1, 4);
const norm = {
  ...({ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" } as const),
  ...{ weight: null, bias: null },
};
const span = {
  ...{ scale: 1, window: 0, mask: "causal", chunk: 0, softCap: 0, rounding: "once" },
  ...{ sinks: null, scales: null },
};
const sequences = { queryStarts: some(0, 2), lengths: some(2), pages: some(0), pageSize: 4, mostQueries: 2 };
const gates = { a: f32(2, 2), b: f32(2, 2), aLog: f32(2), dtBias: f32(2) };
const router = { score: "softmax", topK: 2, groups: null, normalize: { eps: 0 }, factor: 1 };
const constructed = (...args: unknown[]) => new Tensor(...(args as ConstructorParameters<typeof Tensor>));

const method =
  (of: object, name: string): Loose =>
  (...args) =>
    (of as Record<string, Loose>)[name]?.call(of, ...args);
const op = (name: keyof typeof library) => method(library, name);

const calls: Record<string, readonly [Loose, ...unknown[]]> = {
  add: [op("add"), x, x],
  mul: [op("mul"), x, x],
  addNormalize: [op("addNormalize"), x, x, norm],
  normalize: [op("normalize"), x, { ...norm, weight: f32(3), bias: f32(3) }],
  attention: [op("attention"), f32(2, 2, 4), cache, cache, { ...span, past: 0 }],
  pagedAttention: [op("pagedAttention"), f32(2, 2, 4), cache, cache, { ...span, ...sequences }],
  causalConv: [op("causalConv"), f32(2, 4), f32(4, 3), null, f32(2, 4)],
  convert: [op("convert"), x, "bf16"],
  gatedDeltaRule: [
    op("gatedDeltaRule"),
    ...[heads, heads, f32(2, 2, 4), gates, f32(2, 4, 4), { scale: 1, rounding: "once" }],
  ],
  gatherRows: [op("gatherRows"), x, some(0, 1), "f32"],
  linear: [op("linear"), x, f32(4, 3), f32(4)],
  project: [op("project"), x, f32(4, 3), { norm, bias: null, swiglu: null, residual: f32(2, 4) }],
  moe: [
    op("moe"),
    ...[x, { gateUp: f32(2, 8, 3), down: f32(2, 3, 4) }, { experts: some(0, 1), weights: f32(2, 1) }],
    { activation: "silu", rounding: "once" },
  ],
  route: [op("route"), f32(2, 4), null, router, "f32"],
  rope: [op("rope"), heads, { cos: f32(4, 2), sin: f32(4, 2), layout: "halves" }, some(0, 1), "once"],
  activate: [op("activate"), x, "silu"],
  clamp: [op("clamp"), x, 1],
  scale: [op("scale"), x, 2],
  softCap: [op("softCap"), x, 2],
  siluMul: [op("siluMul"), f32(2, 4), "once"],
  xielu: [op("xielu"), x, { alphaP: f32(1), alphaN: f32(1), beta: f32(1), eps: f32(1) }],
  writeCache: [op("writeCache"), heads, heads, cache, f32(4, 1, 4), some(0, 1), null],
  "writeCache in e4m3": [
    op("writeCache"),
    ...[heads, heads, e4m3(4, 1, 4), e4m3(4, 1, 4), some(0, 1)],
    { k: f32(4, 1), v: f32(4, 1), mode: "computed" },
  ],
  "new Tensor": [constructed as Loose, new Float32Array(6), "f32", [2, 3], { strides: [3, 1], offset: 0 }],
  "Tensor.zeros": [method(Tensor, "zeros"), [2], "f32", "cpu"],
  "Tensor.empty": [method(Tensor, "empty"), [2], "f32", "cpu"],
  "Tensor.from": [method(Tensor, "from"), [1, 2], [2], "f32", "cpu"],
  dim: [method(x, "dim"), 0],
  reshape: [method(x, "reshape"), [3, 2]],
  view: [method(x, "view"), [3, 2]],
  slice: [method(x, "slice"), 0, 0, 1],
  expand: [method(f32(1, 3), "expand"), 0, 2],
  split: [method(x, "split"), 0, [1, 1]],
  transpose: [method(x, "transpose"), 0, 1],
  to: [method(x, "to"), "cpu"],
  copyFrom: [method(f32(2, 3), "copyFrom"), x],
  "Indices.from": [method(Indices, "from"), [1]],
  "Indices.slots": [method(Indices, "slots"), [-1]],
  "Indices.onDevice": [method(Indices, "onDevice"), Tensor.zeros([2], "i32"), 3],
  "indices on a backend": [(backend) => some(1).on(backend as never), library.backendOf("cpu")],
  backendOf: [op("backendOf"), "cpu"],
  freeBytes: [op("freeBytes"), "cpu"],
  closeDevice: [op("closeDevice"), "cuda:0"],
  "DeviceMark.on": [method(DeviceMark, "on"), "cpu"],
  keep: [op("keep"), [x]],
  useKernels: [op("useKernels"), "auto"],
};

describe.each(Object.entries(calls))("%s", (_, [call, ...args]) => {
  test("answers any kind of value by an error with a code, or takes it", () => {
    expect(outcome(call, args)).toBe("taken");
    const others = [...spoilt(args)].map(([place, list]) => [place, outcome(call, list)] as const);
    expect(others.filter(([, end]) => !/^(taken|its own|ERR_[A-Z_]+)$/.test(String(end)))).toEqual([]);
  });

  test("takes tensors in memory that grew or is shared, and none whose memory went or shrank", () => {
    const made = [...spoilt(args)].filter(([place]) => / = one (whose memory|in shared memory)/.test(place));
    const wanted = (place: string) => (/ (went|shrank)$/.test(place) ? "ERR_QKNORM_LAYOUT" : "taken");
    for (const [place, list] of made) {
      if (call === calls.keep?.[0] || call === calls["Indices.onDevice"]?.[0]) continue;
      expect([place, outcome(call, list)]).toEqual([place, wanted(place)]);
    }
  });
});

test("liveBytes and a graph answer any kind of value by an error with a code", () => {
  for (const [, [device]] of spoilt(["cpu"])) {
    expect(outcome(library.liveBytes as Loose, [device])).toBe("ERR_QKNORM_DEVICE");
    expect(outcome(DeviceGraph.capture as unknown as Loose, [device, () => 1])).toBe("ERR_QKNORM_DEVICE");
  }
});

test("openDevice rejects any kind of value by an error with a code", async () => {
  for (const [, [device]] of spoilt(["cuda:0"])) {
    await expect(library.openDevice(device as never)).rejects.toMatchObject({ code: /^ERR_/ });
  }
});

test.each<[() => unknown, string]>([
  [
    () => library.addNormalize(x, x, { ...norm, weight: 3 as never }),
    "the norm's weight must be a Tensor, got 3",
  ],
  [() => library.project(x, f32(4, 3), null as never), "the options of project must be an object, got null"],
  [() => library.project(x, f32(4, 3), { norm, bias: 0 as never }), "bias must be a Tensor, got 0"],
  [() => library.project(x, f32(4, 3), { swiglu: "" as never }), 'rounding must be "once" or "hf", got ""'],
  [() => library.moe(x, 1n as never, {} as never, {} as never), "experts must be an object, got bigint"],
  [() => Indices.onDevice(null as never, 1), "what lies on a device must be an object, got null"],
  [() => some(1).on(null as never), "indices lie on a backend (backendOf(device)), not on null"],
])("%o is refused: %s", (call, message) => {
  expect(call).toThrow(message);
});
