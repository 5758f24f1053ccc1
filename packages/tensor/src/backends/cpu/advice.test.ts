import { applyQkNorm, explainQkNorm, explainQkNormRope, setQkNormLogger } from "@qknorm/core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

// The addon is looked for once per thread, and this file has one of its own.
const named = process.env.QKNORM_NATIVE_PATH;
let tensors: typeof import("../../index.ts");

beforeAll(async () => {
  process.env.QKNORM_NATIVE_PATH = "/nowhere/qknorm.node";
  tensors = await import("../../index.ts");
});

afterAll(() => {
  if (named === undefined) Reflect.deleteProperty(process.env, "QKNORM_NATIVE_PATH");
  else process.env.QKNORM_NATIVE_PATH = named;
});

const advice =
  "plain TypeScript kernels, many times slower than native ones: QKNORM_NATIVE_PATH names a file that is not there: " +
  "/nowhere/qknorm.node; go without QKNORM_NATIVE_PATH, or name another file";

function request() {
  const { normalize, Tensor } = tensors;
  const spec = {
    kind: "rms",
    axis: "head",
    eps: 1e-6,
    weightOffset: 0,
    rounding: "once",
    weight: null,
  } as const;
  const norm = { spec, forward: (x: InstanceType<typeof Tensor>) => normalize(x, spec) };
  return { q: Tensor.zeros([3, 32]), k: Tensor.zeros([3, 16]), qNorm: norm, kNorm: norm, headDim: 8 };
}

test("whoever has TypeScript kernels without having asked is told why, and what brings native ones", () => {
  const { q, k, qNorm, kNorm, headDim } = request();
  expect(explainQkNorm({ q, k, qNorm, kNorm, headDim }).split("\n")).toEqual([
    "fused by cpu-typescript, in place: 3 tokens, 4 query heads and 2 KV heads of 8",
    `  ${advice}`,
  ]);
  expect(explainQkNormRope({ q, k, qNorm, kNorm, options: { headDim } })).toContain(`\n  ${advice}`);
  expect(tensors.kernelStatus()).toMatchObject({
    running: "TypeScript kernels",
    remedy: "go without QKNORM_NATIVE_PATH, or name another file",
  });
});

test("the first call says it once", () => {
  const logger = vi.fn();
  const former = setQkNormLogger(logger);
  const { q, k, qNorm, kNorm, headDim } = request();
  for (let i = 0; i < 3; i++) applyQkNorm(q, k, qNorm, kNorm, headDim);
  expect(logger.mock.calls.map(([sentence]) => sentence)).toEqual([
    `qknorm: ${advice} (cpu-typescript) [slow-kernel]`,
  ]);
  setQkNormLogger(former);
});

test("who asked for TypeScript kernels is told nothing", () => {
  const former = tensors.useKernels("typescript");
  const { q, k, qNorm, kNorm, headDim } = request();
  expect(explainQkNorm({ q, k, qNorm, kNorm, headDim })).not.toContain("\n");
  expect(tensors.kernelStatus().remedy).toBeNull();
  tensors.useKernels(former);
});
