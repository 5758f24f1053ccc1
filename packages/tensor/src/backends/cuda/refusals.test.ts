import {
  applyQkNorm,
  type NormSpec,
  planQkNorm,
  type QkNormErrorCode,
  setQkNormLogger,
  warmUpQkNorm,
} from "@qknorm/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure } from "../../../test/errors.ts";
import { filled, norm, rms, type Spec } from "../../../test/qk-norm-cases.ts";
import { expectCleanDevices, missing, notes, scripted } from "../../../test/stand-in.ts";
import { liveBytes, normalize, type Tensor, tidy } from "../../index.ts";

const D = 16;
const device = "cuda:0";

describe.skipIf(missing !== "")(`what a device refuses, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(() => {
    logger = setQkNormLogger(null);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  const there = (shape: readonly number[], dtype: "f32" | "bf16" = "f32"): Tensor =>
    filled(1, shape, dtype).to(device);
  const request = (spec: Partial<Spec>, d = D) => {
    const [q, k] = there([3, 3 * d]).split(1, [2 * d, d]) as [Tensor, Tensor];
    const qkNorm = norm({ ...rms, ...spec });
    return { q, k, qNorm: qkNorm, kNorm: qkNorm, headDim: d };
  };

  test.each<[string, string, QkNormErrorCode, () => Partial<Spec>, RegExp]>([
    [
      "a weight and a bias of two dtypes",
      "weight-dtype",
      "ERR_QKNORM_DTYPE",
      () => ({ weight: there([D]), bias: there([D], "bf16") }),
      /norm's weight is f32 and its bias bf16/,
    ],
    [
      "a weight on the CPU",
      "weight-device",
      "ERR_QKNORM_DEVICE",
      () => ({ weight: filled(1, [D], "f32") }),
      /cpu.*cuda:0/,
    ],
    [
      "a weight on another device",
      "weight-device",
      "ERR_QKNORM_DEVICE",
      () => ({ weight: filled(1, [D], "f32").to("cuda:1") }),
      /cuda:1.*cuda:0/,
    ],
    [
      "a weight for each head beside one bias for all",
      "weight-shape",
      "ERR_QKNORM_LAYOUT",
      () => ({ weight: there([2, D]), bias: there([D]) }),
      /rows of different strides/,
    ],
    [
      "a weight with gaps",
      "layout",
      "ERR_QKNORM_LAYOUT",
      () => ({ weight: there([D, 2]).slice(1, 0, 1).view([D]) }),
      /rows with gaps/,
    ],
  ])(
    "%s is refused by name, and the norm itself says that it cannot either",
    (_, code, error, spec, says) => {
      tidy(() => {
        const plain = request({});
        const asked = { ...plain, qNorm: norm({ ...rms, ...spec() }) };
        const plan = planQkNorm(asked);
        expect(plan).toMatchObject({ path: "fallback", reasons: [{ code, provider: "cuda" }] });
        expect(plan.path === "fallback" && plan.reasons[0]?.detail).toMatch(says);
        const { q, k, qNorm, kNorm } = asked;
        expect(failure(error, () => applyQkNorm(q, k, qNorm, kNorm, D))).toMatch(says);
      });
    },
  );

  test("weights on a device beside tensors on the CPU are refused by name too", () => {
    tidy(() => {
      const [q, k] = [filled(1, [3, D], "f32"), filled(2, [3, D], "f32")];
      const qkNorm = norm({ ...rms, weight: there([D]) });
      expect(planQkNorm({ q, k, qNorm: qkNorm, kNorm: qkNorm, headDim: D })).toMatchObject({
        reasons: [{ code: "weight-device" }],
      });
      failure("ERR_QKNORM_DEVICE", () => applyQkNorm(q, k, qkNorm, qkNorm, D));
    });
  });

  test("q and k on two devices are no call at all, and the error names both", () => {
    tidy(() => {
      const qkNorm = norm(rms);
      for (const [q, k] of [
        [there([3, D]), filled(2, [3, D], "f32")],
        [filled(2, [3, D], "f32"), there([3, D])],
        [there([3, D]), filled(2, [3, D], "f32").to("cuda:1")],
      ] as const) {
        const message = failure("ERR_QKNORM_DEVICE", () => applyQkNorm(q, k, qkNorm, qkNorm, D));
        expect(message).toBe(`q is on ${q.device} and k is on ${k.device}; move one of them`);
      }
    });
  });

  test("memory that was freed is said to be, whether the call is new or repeated", () => {
    tidy(() => {
      const weight = there([D]);
      const { q, k, qNorm, kNorm } = request({ weight });
      applyQkNorm(q, k, qNorm, kNorm, D);
      weight.dispose();
      expect(failure("ERR_QKNORM_LAYOUT", () => applyQkNorm(q, k, qNorm, kNorm, D))).toContain(
        "the q norm's weight of shape [16] lies in memory of cuda:0 that was freed",
      );
      q.dispose();
      const again = { ...rms, weight: null };
      expect(failure("ERR_QKNORM_LAYOUT", () => applyQkNorm(q, k, norm(again), norm(again), D))).toMatch(
        /^q of shape/,
      );
    });
  });

  test("a kernel that cannot be compiled is a reason, asked of the compiler once, and the error of the fallback", () => {
    tidy(() => {
      const spec: NormSpec<Tensor> = { ...rms, eps: 0.125, kind: "layer" };
      const asked = request(spec, 40);
      scripted({ nvrtcCompileProgram: 6 });
      notes();
      const plan = planQkNorm(asked);
      expect(plan).toMatchObject({ path: "fallback", reasons: [{ code: "kernel", provider: "cuda" }] });
      expect(planQkNorm(asked)).toEqual(plan);
      failure("ERR_NVRTC", () => applyQkNorm(asked.q, asked.k, asked.qNorm, asked.kNorm, 40));
      failure("ERR_NVRTC", () => normalize(asked.q.view([3, 2, 40]), spec));
      scripted();
      expect(planQkNorm(asked)).toEqual(plan);
      const compiled = notes()
        .filter((note) => note.startsWith("compile"))
        .map((note) => /qk_norm|QK_LANES/.test(note));
      expect(compiled).toEqual([true, false]);
    });
  });

  test("a repeated call that needs another kernel, which cannot be compiled, takes the fallback", () => {
    tidy(() => {
      const qkNorm = norm({ ...rms, eps: 0.25, weightOffset: 1, weight: there([D]) });
      const call = (tokens: number, path: "auto" | "fallback") => {
        const [q, k] = there([tokens, 3 * D]).split(1, [2 * D, D]) as [Tensor, Tensor];
        return applyQkNorm(q, k, qkNorm, qkNorm, D, { path }).map((x) => [...x.toNumbers()]);
      };
      const few = call(1, "auto");
      const many = call(2_000, "fallback");
      scripted({ nvrtcCompileProgram: 6 });
      expect(call(1, "auto")).toEqual(few);
      notes();
      expect(call(2_000, "auto")).toEqual(many);
      expect(notes().filter((note) => /^launch/.test(note) && note.includes("row_norm"))).toHaveLength(2);
      expect(call(1, "auto")).toEqual(few);
    });
  });

  test("a warm-up that fails is told by the plan it resolves with", async () => {
    const asked = tidy(() => request({ kind: "layer", rounding: "hf" }, 48));
    try {
      scripted({ nvrtcCompileProgram: 6 });
      expect(await warmUpQkNorm(asked)).toMatchObject({ path: "fallback", reasons: [{ code: "kernel" }] });
    } finally {
      asked.q.dispose();
    }
  });

  test("a result that finds no memory, or is never launched, leaves none behind", () => {
    tidy(() => {
      const { q, k, qNorm, kNorm } = request({});
      const call = () => applyQkNorm(q, k, qNorm, kNorm, D, { allowInplace: false });
      for (const x of call()) x.dispose();
      const before = q.toNumbers();
      const held = liveBytes(device);
      scripted({ cuMemAllocAsync: 2 });
      expect(failure("ERR_CUDA", call)).toMatch(/cannot allocate \[3, 32\] of f32 on cuda:0/);
      expect(liveBytes(device)).toBe(held);
      scripted({ cuLaunchKernelEx: 700 });
      failure("ERR_CUDA", call);
      expect(liveBytes(device)).toBe(held);
      scripted();
      expect(q.toNumbers()).toEqual(before);
    });
  });
});
